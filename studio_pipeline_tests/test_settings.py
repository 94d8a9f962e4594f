"""Settings: precedence, and a message for each wrong value; `test_readme` has all their defaults."""

from pathlib import Path

import pytest

from studio_pipeline.errors import SettingsError
from studio_pipeline.settings import read_settings

pytestmark = pytest.mark.usefixtures("no_settings")


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STUDIO_HOME=/from/file\nSTUDIO_LOG_FORMAT=json\nOTHER=ignored\n")
    monkeypatch.setenv("STUDIO_HOME", "/from/environment")
    settings = read_settings()
    assert settings.home == Path("/from/environment")
    assert settings.log_format == "json"
    assert settings.landing_dir == Path("/from/environment/landing")


def test_without_settings_the_home_is_in_the_working_directory(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    settings = read_settings()
    assert (settings.home, settings.api_keys) == (tmp_path / ".studio", ())
    assert settings.dagster_home == tmp_path / ".studio" / "dagster"


def test_keys_carry_patterns_and_never_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_API_KEYS", "alpha, beta:chain-a-*")
    settings = read_settings()
    assert [(k.key.get_secret_value(), k.studio_pattern) for k in settings.api_keys] == [
        ("alpha", "*"),
        ("beta", "chain-a-*"),
    ]
    assert "alpha" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("STUDIO_DATABASE_URL", "mysql://user@host/name", "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
        ("STUDIO_DATABASE_POOL_SIZE", "ten", "integer"),
        ("STUDIO_DATABASE_POOL_SIZE", "0", "greater than or equal to 1"),
        ("STUDIO_DATABASE_MAX_OVERFLOW", "-1", "greater than or equal to 0"),
        ("STUDIO_LOG_RETENTION_DAYS", "-1", "greater than or equal to 0"),
        ("STUDIO_CACHE_TTL_SECONDS", "-5", "greater than or equal to 0"),
        ("STUDIO_API_KEYS", "alpha, :verysecret", "a key is empty"),
        ("STUDIO_API_KEYS", "alpha, verysecret: ,beta:chain-*", "a studio pattern is empty"),
        ("STUDIO_CORS_ORIGINS", "example.org", "origin"),
        ("STUDIO_RATE_LIMIT", "600 per minute", "600/minute"),
        ("STUDIO_LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("STUDIO_LOG_FORMAT", "xml", "'text' or 'json'"),
        ("STUDIO_DATABASE_URL", "user:verysecret@host", "this is not a URL"),
        ("STUDIO_REDIS_URL", "user:verysecret@host", "this is not a URL"),
        ("MLFLOW_TRACKING_URI", "user:verysecret@host", "this is not a URL"),
        ("OPENAI_BASE_URL", "user:verysecret@host", "this is not a URL"),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, part: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert name in caught.value.what
    assert part in caught.value.what
    assert "verysecret" not in str(caught.value)
    assert ".env.example" in caught.value.remedy


def test_words_are_taken_in_any_case_and_a_wrong_one_is_shown_as_it_was_typed(monkeypatch) -> None:
    monkeypatch.setenv("STUDIO_LOG_LEVEL", "debug")
    monkeypatch.setenv("STUDIO_LOG_FORMAT", "Json")
    assert (read_settings().log_level, read_settings().log_format) == ("DEBUG", "json")
    monkeypatch.setenv("STUDIO_LOG_LEVEL", "loud")
    with pytest.raises(SettingsError, match=r"^STUDIO_LOG_LEVEL=loud: "):
        read_settings()


def test_every_wrong_value_gets_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDIO_LOG_LEVEL", "LOUD")
    monkeypatch.setenv("STUDIO_RATE_LIMIT", "0/minute")
    with pytest.raises(SettingsError) as caught:
        read_settings()
    assert len(caught.value.what.splitlines()) == 2


@pytest.mark.parametrize(
    "url",
    [
        "redis://h", "redis://h:6380/2", "redis://user:p%23ss@h:6379/0",
        "rediss://:p@h?ssl_cert_reqs=none", "redis://[::1]:6379", "unix:///run/redis.sock?db=1",
    ],
)  # fmt: skip
def test_a_redis_that_can_be_one_is_taken(url: str) -> None:
    assert read_settings(env_file=None, redis_url=url).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://:pa55@h", "redis://", "redis://:pa55@", "redis://:pa55@h/db1", "redis://:pa55@h/1/2",
        "redis://:pa55@h:port", "redis://:pa55@h:99999", "redis://:pa55#word@h:6379",
        "redis://:pa55/word@h:6379", "redis://[:pa55", "unix://",
    ],
)  # fmt: skip
def test_a_redis_that_can_be_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^STUDIO_REDIS_URL: write it as redis://") as caught:
        read_settings(env_file=None, redis_url=url)
    assert "pa55" not in str(caught.value)
    assert "port" not in str(caught.value)
