"""Settings of one installation, read from HOTLINE_* environment variables and nowhere else."""

import base64
import binascii
from datetime import time
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

HOME = Path(__file__).resolve().parent.parent
DATA_KEY_BYTES = 32
WEBHOOK_SECRET_BYTES = 24


class Environment(StrEnum):
    """Where the service runs; only development may make its own secrets."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """One typed value per setting; a bad one stops the start with a clear line."""

    model_config = SettingsConfigDict(env_prefix="HOTLINE_", frozen=True, extra="ignore")

    environment: Environment = Field(Environment.DEVELOPMENT, description="development 或 production")
    database_url: str = Field(
        f"sqlite:///{HOME / 'var' / 'hotline.sqlite3'}",
        description="SQLite 或 PostgreSQL（postgresql://…，psycopg 3）",
    )
    rules_dir: Path = Field(HOME / "routing_rules", description="规则目录")
    models_dir: Path = Field(HOME / "models", description="分类模型目录，其中 CURRENT 指向在用模型")
    var_dir: Path = Field(HOME / "var", description="运行数据目录（开发环境的密钥、导入的公文全文）")
    data_key: SecretStr = Field(
        SecretStr(""), description="个人信息加密密钥：32 字节的 base64；生产环境必填，开发环境自动生成到 var/"
    )
    old_data_keys: SecretStr = Field(
        SecretStr(""), description="换下来的数据密钥（base64，逗号分隔），只用来读旧数据和认旧查询码"
    )
    sealing_cipher: Literal["aes", "sm4"] = Field("aes", description="新数据用哪种算法加密：AES-256-GCM 或 SM4-GCM")
    host: str = Field("127.0.0.1", description="监听地址")
    port: int = Field(12345, ge=1, le=65535, description="监听端口")
    token_hours: int = Field(12, ge=1, le=168, description="登录令牌有效小时数")
    idle_minutes: int = Field(120, ge=10, le=1440, description="登录后多少分钟不使用即结束")
    key_days: int = Field(365, ge=1, le=3650, description="新密钥的有效天数（未另行指定时）")
    key_max_days: int = Field(730, ge=1, le=3650, description="密钥有效天数的上限")
    key_overlap_hours: int = Field(24, ge=0, le=720, description="轮换密钥后旧密钥继续有效的小时数")
    oidc_issuer: str = Field("", description="统一认证（OpenID Connect）的签发者地址；空则不接入")
    oidc_client_id: str = Field("", description="本系统在统一认证的客户端编号")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="客户端口令；公开客户端留空（只靠 PKCE）")
    oidc_redirect_url: str = Field("", description="登录后返回的地址，即本系统的 /api/v1/session/oidc/callback")
    oidc_login_claim: str = Field("preferred_username", description="统一认证中哪一项是本系统的登录名")
    idempotency_hours: int = Field(24, ge=1, le=168, description="Idempotency-Key 的保留小时数")
    urge_hours: int = Field(4, ge=0, le=168, description="同一工单两次催办的最短间隔（小时）")
    unmask_per_hour: int = Field(30, ge=1, le=1000, description="每人每小时查看完整信息的次数上限")
    retention_years: int = Field(5, ge=1, le=50, description="办结后保存个人信息和诉求内容的年数")
    retention_report_years: int = Field(10, ge=1, le=50, description="举报件办结后保存的年数")
    body_limit_bytes: int = Field(64 * 1024, ge=1024, description="请求体上限（字节）")
    rate_per_minute: int = Field(6_000, ge=0, description="每个令牌或密钥每分钟的请求数上限（每进程）；0 为不限")
    rate_address_per_minute: int = Field(
        120, ge=0, description="每个地址每分钟未登录的请求数上限，含登录和无效令牌（每进程）；0 为不限"
    )
    trusted_proxies: str = Field("", description="反向代理的地址或网段（逗号分隔）；只有它们的 X-Forwarded-For 才作数")
    metrics_from: str = Field("127.0.0.0/8,::1", description="可读 /metrics 的地址或网段（逗号分隔）")
    statement_seconds: int = Field(120, ge=0, le=3600, description="PostgreSQL 一条语句最长的秒数；0 为不限")
    pg_bin: str = Field("", description="pg_dump、pg_restore 所在目录（hotline backup 用）；空则在 PATH 里找")
    pool_size: int = Field(10, ge=1, le=200, description="PostgreSQL 连接池大小")
    public_url: str = Field("", description="本系统对外的地址（如 https://hotline.bt.gov.cn），通知里的链接以它开头")
    webhook_url: str = Field("", description="通知推送地址（Standard Webhooks 签名）；空则只留在待发箱")
    webhook_secret: SecretStr = Field(SecretStr(""), description="通知签名密钥（base64）")
    notice_from_hour: int = Field(8, ge=0, le=23, description="给人看的通知从几时起发（工作日；紧急的随时发）")
    notice_until_hour: int = Field(20, ge=1, le=24, description="给人看的通知发到几时")
    notice_days: int = Field(180, ge=7, le=3650, description="已送达的通知和收件箱里的消息保留几天")
    notice_private_targets: bool = Field(
        False, description="是否允许订阅地址在内部网络（10/8、172.16/12、192.168/16 等）、用 http://（政务内网）"
    )
    notice_networks: str = Field(
        "", description="另外允许订阅地址在哪些网段（逗号分隔，如 127.0.0.0/8）；本机、链路本地地址只能这样放开"
    )
    smtp_host: str = Field("", description="邮件服务器；空则不能发邮件")
    smtp_port: int = Field(587, ge=1, le=65535, description="邮件服务器端口")
    smtp_starttls: bool = Field(True, description="是否用 STARTTLS 加密")
    smtp_user: str = Field("", description="邮件账号；空则不登录")
    smtp_password: SecretStr = Field(SecretStr(""), description="邮件口令")
    smtp_from: str = Field("hotline@localhost", description="发件人地址")
    report_week_day: int = Field(7, ge=1, le=7, description="周分析截止于星期几（7 为星期日）")
    report_week_hour: int = Field(24, ge=0, le=24, description="周分析截止于当日几时")
    report_month_day: int = Field(31, ge=20, le=31, description="月通报、年考评截止于几日（31 为月末）")
    report_month_hour: int = Field(24, ge=0, le=24, description="月通报、年考评截止于当日几时")
    reminder_morning: time = Field(time(8, 40), description="日提醒的时刻（每个工作日）")
    reminder_afternoon: time = Field(time(15), description="第二轮日提醒（只含今日到期）的时刻")
    worker_seconds: float = Field(2.0, gt=0, description="后台轮询间隔（秒）")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="日志级别")

    @field_validator("data_key")
    @classmethod
    def _data_key_is_strong(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        if not text:
            return value
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("不是 base64") from error
        if len(raw) != DATA_KEY_BYTES or len(set(raw)) < DATA_KEY_BYTES // 4:
            raise ValueError("须为 32 个随机字节，可用 `hotline keys new-data-key` 生成")
        return value

    @field_validator("old_data_keys")
    @classmethod
    def _old_keys_are_keys(cls, value: SecretStr) -> SecretStr:
        try:
            keys = _split_keys(value.get_secret_value())
        except (binascii.Error, ValueError) as error:
            raise ValueError("不是 base64（多把用逗号分隔）") from error
        if any(len(key) != DATA_KEY_BYTES for key in keys):
            raise ValueError(f"每把须为 {DATA_KEY_BYTES} 字节")
        return value

    @model_validator(mode="after")
    def _production_is_guarded(self) -> "Settings":
        if self.environment is Environment.PRODUCTION and not self.data_key.get_secret_value():
            raise ValueError("生产环境必须设置 HOTLINE_DATA_KEY（32 字节的 base64）")
        if self.key_days > self.key_max_days:
            raise ValueError("HOTLINE_KEY_DAYS 不能大于 HOTLINE_KEY_MAX_DAYS")
        if self.webhook_url and not is_strong_secret(self.webhook_secret.get_secret_value()):
            raise ValueError(
                f"设置了 HOTLINE_WEBHOOK_URL 就必须设置 HOTLINE_WEBHOOK_SECRET（base64，至少 {WEBHOOK_SECRET_BYTES} 字节）"
            )
        if self.webhook_url and not self.webhook_url.startswith(("http://", "https://")):
            raise ValueError("HOTLINE_WEBHOOK_URL 须以 http:// 或 https:// 开头")
        return self

    @model_validator(mode="after")
    def _provider_is_whole(self) -> "Settings":
        if not self.oidc_issuer:
            return self
        if not self.oidc_client_id or not self.oidc_redirect_url:
            raise ValueError(
                "设置了 HOTLINE_OIDC_ISSUER 就必须设置 HOTLINE_OIDC_CLIENT_ID 和 HOTLINE_OIDC_REDIRECT_URL"
            )
        allowed = ("https://",) if self.environment is Environment.PRODUCTION else ("https://", "http://")
        if not all(url.startswith(allowed) for url in (self.oidc_issuer, self.oidc_redirect_url)):
            raise ValueError("HOTLINE_OIDC_ISSUER 和 HOTLINE_OIDC_REDIRECT_URL 须以 https:// 开头")
        return self

    @field_validator("database_url")
    @classmethod
    def _database_is_known(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("须以 sqlite:///、postgresql:// 或 postgresql+psycopg:// 开头")
        return value

    @field_validator("public_url")
    @classmethod
    def _public_url_is_one(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("须以 http:// 或 https:// 开头")
        return value

    @field_validator("trusted_proxies", "metrics_from", "notice_networks")
    @classmethod
    def _networks_are_networks(cls, value: str) -> str:
        try:
            _split_networks(value)
        except ValueError as error:
            raise ValueError("须为 IP 地址或网段（多个用逗号分隔），如 10.0.0.5,10.1.0.0/16") from error
        return value

    @property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The reverse proxies whose word about the client's address is taken."""
        return _split_networks(self.trusted_proxies)

    @property
    def metrics_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Where /metrics may be read from."""
        return _split_networks(self.metrics_from)

    @property
    def notice_targets(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks inside which notices may go."""
        return _split_networks(self.notice_networks)

    @property
    def old_keys(self) -> tuple[bytes, ...]:
        """The data keys that were replaced, the newest first as given."""
        return _split_keys(self.old_data_keys.get_secret_value())

    @property
    def is_sqlite(self) -> bool:
        """Whether the data lives in a SQLite file."""
        return self.database_url.startswith("sqlite")


def _split_keys(text: str) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(part, validate=True) for part in text.replace(",", " ").split())


def _split_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part) for part in text.replace(",", " ").split())


def is_strong_secret(text: str) -> bool:
    """Whether a text is base64 of at least 24 bytes, as a webhook is signed with."""
    try:
        raw = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(raw) >= WEBHOOK_SECRET_BYTES and len(set(raw)) >= WEBHOOK_SECRET_BYTES // 4


class SettingsError(ValueError):
    """The environment holds a setting that cannot be used; the text is one clear line."""


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the environment once.

    Raises:
        SettingsError: a value is missing or unusable; the message names each variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = "；".join(_fault(item["loc"], item["msg"]) for item in error.errors())
        raise SettingsError(f"设置有误：{faults}") from error


def _fault(loc: tuple[int | str, ...], message: str) -> str:
    name = "HOTLINE_" + "_".join(str(part) for part in loc).upper() if loc else "HOTLINE_*"
    return f"{name}：{message.removeprefix('Value error, ')}"
