"""Settings of paths, processes, addresses and secrets: one frozen object read from environment and `.env`.

Hyperparameters and thresholds of the model and its checks are in `configuration`, not here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from studio_pipeline.errors import SettingsError

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class ApiKey(BaseModel):
    """A key that clients send as `X-API-Key`, and a shell pattern of the studio ids it opens, `*` for all."""

    model_config = ConfigDict(frozen=True)

    key: SecretStr
    studio_pattern: str = "*"


class RateLimit(BaseModel):
    """At most `requests` in any window of `seconds`."""

    model_config = ConfigDict(frozen=True)

    requests: int = Field(gt=0)
    seconds: int = Field(gt=0)


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _parse_key(value: object) -> object:
    if not isinstance(value, str):
        return value
    key, colon, pattern = value.partition(":")
    if not key.strip():
        raise ValueError("a key is empty; write KEY or KEY:STUDIO_PATTERN, separated by commas")
    if not colon:
        return {"key": key}
    # A pattern lost to a typing error must not give the key access to every studio.
    if not pattern.strip():
        raise ValueError("a studio pattern is empty; write KEY:STUDIO_PATTERN, or KEY alone for all studios")
    return {"key": key, "studio_pattern": pattern}


def _parse_rate(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([1-9]\d*)\s*/\s*(second|minute|hour|day)\s*", value)
    if not match:
        raise ValueError("write it as 600/minute (second, minute, hour or day)")
    return {"requests": int(match[1]), "seconds": SECONDS[match[2]]}


def _matching(pattern: str, message: str) -> AfterValidator:
    def checked(value: str) -> str:
        if not re.search(pattern, value):
            raise ValueError(message)
        return value

    return AfterValidator(checked)


def _parts(url: str, schemes: tuple[str, ...]) -> SplitResult | None:
    """The parts of a URL of one of the schemes; else None, since the faulty part may belong to a password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018
    except ValueError:
        return None
    return parts if parts.scheme in schemes and (parts.hostname or parts.scheme == "unix") else None


def _redis_url(value: str) -> str:
    parts = _parts(value, ("redis", "rediss", "unix"))
    path = r"/.*" if parts and parts.scheme == "unix" else r"(/\d*)?"
    if parts is None or not re.fullmatch(path, parts.path) or (parts.fragment and parts.scheme != "unix"):
        raise ValueError(
            "write it as redis://USER:PASSWORD@HOST:PORT/NUMBER (HOST is enough; rediss:// for TLS) or"
            " unix:///PATH, and special characters of a password as %XX"
        )
    return value


def _webhook_url(value: SecretStr) -> SecretStr:
    if not _has_host(value.get_secret_value(), ("http", "https")):
        raise ValueError("write it as https://HOST/PATH")
    return value


def _smtp_url(value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    if value is None:
        return None
    if not _has_host(value.get_secret_value(), ("smtp", "smtps")):
        raise ValueError(
            "write it as smtp://USER:PASSWORD@HOST:PORT (HOST is enough; smtps:// for TLS from the start),"
            " and special characters of a password as %XX"
        )
    if not (info.data.get("alert_email_from") and info.data.get("alert_email_to")):
        raise ValueError("set STUDIO_ALERT_EMAIL_FROM and STUDIO_ALERT_EMAIL_TO as well")
    return value


def _has_host(url: str, schemes: tuple[str, ...]) -> bool:
    return _parts(url, schemes) is not None and url.isascii() and url.isprintable()


def _in_any_case(allowed: object) -> BeforeValidator:
    """Accept the values of a `Literal` in any case; other values are kept as typed, for the error message."""
    values = {str(name).lower(): name for name in get_args(allowed)}
    return BeforeValidator(
        lambda value: values.get(value.lower(), value) if isinstance(value, str) else value
    )


AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
Url = Annotated[str, _matching("://", "this is not a URL; write SCHEME://...")]
RedisUrl = Annotated[Url, AfterValidator(_redis_url)]
DatabaseUrl = Annotated[
    Url,
    _matching(
        r"^(sqlite(\+pysqlite)?:///(?!:memory:)[^?]|postgres(ql(\+psycopg)?)?://)",
        "write sqlite:////ABSOLUTE/PATH or postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
    ),
]
DagsterDatabaseUrl = Annotated[
    Url,
    _matching(r"^postgresql\+psycopg2://", "write postgresql+psycopg2://USER:PASSWORD@HOST:PORT/DATABASE"),
]
WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url)]
SmtpUrl = Annotated[SecretStr | None, AfterValidator(_smtp_url)]
EmailAddress = Annotated[str, _matching(r"^[^@\s<>,]+@[^@\s<>,]+\Z", "an address is NAME@DOMAIN")]
Origin = Annotated[str, _matching(r"^(\*\Z|https?://)", "an origin is * or starts with http:// or https://")]
Key = Annotated[ApiKey, BeforeValidator(_parse_key)]
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["text", "json"]
AbMode = Literal["off", "split", "shadow"]


class Settings(BaseSettings):
    """Every setting of the product; paths are absolute.

    Attributes:
        home: folder of everything that the product writes.
        landing_dir: CSV or Parquet files of months.
        config: the YAML file over the typed defaults, or None.
        database_url: SQLAlchemy URL of the service's own tables.
        log_retention_days: how long logged predictions are kept; 0 for ever.
        api_keys: keys of the service's clients; without any, it answers only a loopback peer.
        dagster_database_url: PostgreSQL for Dagster's records; None for SQLite in DAGSTER_HOME.
        model_version: pins the model version that the service answers from; None for the release's.
        ab_mode: use of a release's challenger: none, answer a share of the studios (`split`), or score all
            requests without being shown (`shadow`).
        challenger_share: share of the studios that the challenger answers in a split, 0..1.
        dagster_url: URL of Dagster's web UI, as browsers reach it.
        alert_webhook_url: URL that each alert is posted to as `{"text": ...}`.
        alert_smtp_url: URL of the mail server for alerts; it needs a sender and recipients.
    """

    model_config = SettingsConfigDict(
        env_prefix="STUDIO_",
        env_ignore_empty=True,
        populate_by_name=True,
        validate_default=True,
        frozen=True,
        extra="ignore",
    )

    home: AbsolutePath = Path(".studio")
    landing_dir: AbsolutePath = Field(default_factory=lambda data: data["home"] / "landing")
    config: AbsolutePath | None = None
    database_url: DatabaseUrl = Field(default_factory=lambda data: f"sqlite:///{data['home'] / 'service.db'}")
    database_pool_size: int = Field(10, ge=1, le=1000)
    database_max_overflow: int = Field(20, ge=0, le=1000)
    log_retention_days: int = Field(730, ge=0, le=36500)
    redis_url: RedisUrl | None = None
    cache_ttl_seconds: int = Field(3600, ge=0)
    api_keys: Annotated[tuple[Key, ...], NoDecode, BeforeValidator(_split)] = ()
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_split)] = ()
    rate_limit: Annotated[RateLimit, NoDecode, BeforeValidator(_parse_rate)] = RateLimit(
        requests=600, seconds=60
    )
    model_version: str | None = None
    ab_mode: Annotated[AbMode, _in_any_case(AbMode)] = "off"
    challenger_share: float = Field(0.1, ge=0, le=1)
    log_level: Annotated[Level, _in_any_case(Level)] = "INFO"
    log_file: AbsolutePath | None = None
    log_format: Annotated[LogFormat, _in_any_case(LogFormat)] = "text"
    mlflow_tracking_uri: Url = Field(
        default_factory=lambda data: f"sqlite:///{data['home'] / 'mlflow.db'}",
        validation_alias="MLFLOW_TRACKING_URI",
    )
    mlflow_experiment_name: str = Field("studio_revenue", validation_alias="MLFLOW_EXPERIMENT_NAME")
    dagster_home: AbsolutePath = Field(
        default_factory=lambda data: data["home"] / "dagster", validation_alias="DAGSTER_HOME"
    )
    dagster_database_url: DagsterDatabaseUrl | None = None
    dagster_url: Url = "http://127.0.0.1:3000"
    alert_webhook_url: WebhookUrl | None = None
    alert_email_from: EmailAddress | None = None
    alert_email_to: Annotated[tuple[EmailAddress, ...], NoDecode, BeforeValidator(_split)] = ()
    alert_smtp_url: SmtpUrl = None
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    openai_base_url: Url | None = Field(None, validation_alias="OPENAI_BASE_URL")
    openai_model: str = Field("gpt-4o-mini", validation_alias="OPENAI_MODEL")


def setting_names() -> dict[str, str]:
    """Map each field of `Settings` to the name of its environment variable."""
    return {
        name: str(field.validation_alias or f"STUDIO_{name.upper()}")
        for name, field in Settings.model_fields.items()
    }


def check_landing_dir(settings: Settings) -> None:
    """Refuse, with a `SettingsError`, a configured landing folder that doesn't exist: a typo must not publish
    synthetic months.
    """
    if settings.landing_dir != settings.home / "landing" and not settings.landing_dir.is_dir():
        raise SettingsError(
            f"STUDIO_LANDING_DIR={settings.landing_dir} is not a folder.",
            "Correct it, make the folder, or unset it to use `landing` in STUDIO_HOME.",
        )


def read_settings(env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """Read the environment over `env_file` over the defaults.

    Raises:
        SettingsError: one line for each wrong value.
    """
    try:
        return Settings(_env_file=env_file, **overrides)
    except ValidationError as error:
        raise SettingsError(
            _explain(error), "Correct it in the environment or in .env; .env.example lists every setting."
        ) from None


_SECRET_ENDINGS = ("_KEY", "_KEYS", "_URL", "_URI")


def _explain(error: ValidationError) -> str:
    """One line per invalid value; secrets, and URLs that may contain one, are never shown."""
    names = setting_names()
    lines = []
    for item in error.errors(include_url=False):
        if item["type"] == "default_factory_not_called":
            continue
        field = str(item["loc"][0])
        name = names.get(field, field)
        shown = "" if name.endswith(_SECRET_ENDINGS) else f"={item['input']!s}"
        lines.append(f"{name}{shown}: {item['msg'].removeprefix('Value error, ')}.")
    return "\n".join(lines)
