# 包头市12345营商环境专席 企业诉求转办服务。目标说明：make help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# 没有装进虚拟环境的 Python 也能跑：环境由锁文件（带哈希）装成，锁文件变了就重装。
RUNTIME := $(VENV)/.runtime
DEVELOPMENT := $(VENV)/.development

.DEFAULT_GOAL := help
.PHONY: help run test check soak demo bench bench-full lock image clean

help:  ## 列出全部目标
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "需要 Python 3.11 或更新，可用 make PYTHON=python3.12 指定")'
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "安装运行依赖（首次约一两分钟）……"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(DEVELOPMENT): requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "安装开发与测试依赖（首次约两三分钟）……"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@ $(RUNTIME)

run: $(RUNTIME)  ## 启动服务 http://127.0.0.1:12345（SQLite，数据在 var/）
	@$(BIN)/hotline init
	@echo "浏览器：http://127.0.0.1:12345/    接口文档：http://127.0.0.1:12345/docs    演示：另开终端 make demo    停止：Ctrl-C"
	@exec $(BIN)/hotline serve

demo: $(RUNTIME)  ## 向运行中的服务（没有就自启一个）提交示例诉求并列表
	@$(BIN)/hotline init
	@$(BIN)/hotline demo

test: $(DEVELOPMENT)  ## 全部测试（SQLite 与 PostgreSQL）
	@$(BIN)/python -m pytest -n 3 --dist worksteal

soak: $(DEVELOPMENT)  ## 久跑：全部角色的生成请求、几百轮 kill -9（几小时）
	@$(BIN)/python -m pytest -m soak

check: $(DEVELOPMENT)  ## 静态检查：ruff、mypy、楼层约定、迁移与表一致、规则、语料
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports
	@export HOTLINE_DATABASE_URL=sqlite:///$$(mktemp -d)/check.sqlite3; $(BIN)/alembic upgrade head && $(BIN)/alembic check
	@$(BIN)/hotline rules check
	@$(BIN)/hotline corpus check

bench: $(DEVELOPMENT)  ## 量一量：一万、十万件，SQLite 与 PostgreSQL，8 个客户端（约十分钟）
	@$(BIN)/python -m bench.suite

bench-full: $(DEVELOPMENT)  ## 再加一百万件、十年、1 与 32 个客户端（一小时左右）
	@$(BIN)/python -m bench.suite --full

lock: $(DEVELOPMENT)  ## 重新解算锁文件（带哈希，不含任何仓库地址）
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group dev -o requirements-dev.lock pyproject.toml

image:  ## 构建容器镜像
	@docker build -t baotou-hotline .

clean:  ## 删除虚拟环境与缓存（不动 var/ 数据）
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
