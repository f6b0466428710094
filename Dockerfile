# 两段构建：前一段按锁文件（带哈希）装依赖，后一段只带运行所需；非 root；根文件系统可只读（/srv/hotline/var 另挂）。
FROM python:3.12-slim-trixie AS build
WORKDIR /build
COPY requirements.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock

FROM python:3.12-slim-trixie
# pg_dump、pg_restore（hotline backup / restore）；版本不能低于服务器，与 compose.yaml 里的一致。
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /srv/hotline --shell /usr/sbin/nologin hotline
WORKDIR /srv/hotline
COPY --from=build /opt/venv /opt/venv
COPY alembic.ini pyproject.toml ./
COPY app app
COPY migrations migrations
COPY models models
COPY routing_rules routing_rules
RUN install -d -o hotline -g hotline var && /opt/venv/bin/python -m compileall -q app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/srv/hotline \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOTLINE_ENVIRONMENT=production \
    HOTLINE_HOST=0.0.0.0
USER hotline
VOLUME /srv/hotline/var
EXPOSE 12345
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:12345/healthz', timeout=4)"]
ENTRYPOINT ["python", "-m", "app.cli"]
CMD ["serve"]
