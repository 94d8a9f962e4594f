"""Rate limits: windows in memory, the routes, and a Redis that comes and goes."""

import asyncio
import os
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from fake_forecaster import load_fake
from fastapi import APIRouter
from starlette.testclient import TestClient

from serving.app import create_app
from serving.guards import rate_limits
from serving.guards.rate_limits import RateLimitedError, RateLimits, RedisCounter
from serving.routes.requests import Context, StrictRoute, count_as
from studio_pipeline.errors import SettingsError
from studio_pipeline.settings import RateLimit, read_settings

pytestmark = pytest.mark.anyio

FORWARD = "/api/v1/predict/forward"
MODELS = "/api/v1/models"


def spend(limits: RateLimits, *takes: tuple[str, int]) -> list[bool]:
    """Whether each of some requests may pass."""

    async def take_all() -> list[bool]:
        passed = []
        for caller, cost in takes:
            try:
                await limits.take(caller, cost)
            except RateLimitedError:
                passed.append(False)
            else:
                passed.append(True)
        return passed

    return asyncio.run(take_all())


def test_each_caller_has_its_own_count_and_what_is_refused_uses_up_nothing() -> None:
    limits = RateLimits(RateLimit(requests=3, seconds=3600))
    assert spend(limits, ("a", 2), ("a", 2), ("b", 3), ("a", 1), ("a", 1)) == [True, False, True, True, False]


def test_after_the_window_requests_pass_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    limits = RateLimits(RateLimit(requests=10, seconds=60))
    assert spend(limits, *[("a", 1)] * 11) == [True] * 10 + [False]
    now[0] += 120
    assert spend(limits, *[("a", 1)] * 11) == [True] * 10 + [False]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_CALLERS", 100)
    limits = RateLimits(RateLimit(requests=10, seconds=60))
    assert all(spend(limits, *[(f"peer {number}", 1) for number in range(1000)]))
    assert len(limits._own.counts) <= 101


def ask(client: TestClient, path: str = MODELS, **headers: str) -> int:
    return client.get(
        path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    ).status_code


def test_a_key_has_its_limit_and_is_told_when_to_come_again(client_of, tmp_path: Path) -> None:
    with client_of(api_keys="k1,k2:chain-a-*", rate_limit="3/hour") as client:
        assert [ask(client, X_API_Key="k1") for _ in range(4)] == [200, 200, 200, 429]
        limited = client.get(MODELS, headers={"X-API-Key": "k1"})
        wait = int(limited.headers["retry-after"])
        assert 0 < wait <= 7200
        assert limited.json()["detail"].startswith("More than 3 requests in 3600 seconds. Ask again in ")
        assert ask(client, X_API_Key="k2") == 200
        assert ask(client) == 401


def test_health_is_never_limited_and_open_paths_are_by_peer(client_of) -> None:
    with client_of(api_keys="k", rate_limit="2/hour") as client:
        assert [ask(client, "/api/v1/health") for _ in range(9)] == [200] * 9
        assert [ask(client, path) for path in ("/docs", "/openapi.json", "/docs", "/docs/docs.js")] == [
            200,
            200,
            429,
            429,
        ]
        assert ask(client, X_API_Key="k") == 200
    with client_of(rate_limit="2/hour") as client:
        assert [ask(client) for _ in range(3)] == [200, 200, 429]


def test_guesses_at_keys_are_limited(client_of) -> None:
    with client_of(api_keys="k", rate_limit="5/hour") as client:
        assert [ask(client, X_API_Key=f"guess-{n}") for n in range(7)] == [401] * 5 + [429] * 2
        assert ask(client, X_API_Key="k") == 200


async def test_a_heavy_request_counts_as_many() -> None:
    limits = RateLimits(RateLimit(requests=10, seconds=3600))
    await limits.take("a", 9)
    await limits.take("b", 10_000)
    await limits.take("a")
    with pytest.raises(RateLimitedError):
        await limits.take("a")
    with pytest.raises(RateLimitedError):
        await limits.take("b")


def test_a_route_can_say_that_a_request_counts_as_many(tmp_path: Path) -> None:
    app = create_app(read_settings(env_file=None, home=tmp_path, rate_limit="10/hour"), load_fake)
    router = APIRouter(route_class=StrictRoute)

    @router.get("/heavy")
    async def heavy(n: int, context: Context) -> None:
        await count_as(context, n)

    app.include_router(router)

    with TestClient(app, client=("127.0.0.1", 1)) as client:
        assert [client.get("/heavy", params={"n": n}).status_code for n in (1, 4, 5)] == [200, 200, 200]
        limited = client.get("/heavy", params={"n": 1})
    # What counts as more than the limit takes all of it, and passes where it has not been used.
    with TestClient(app, client=("127.0.0.1", 1)) as client:
        assert client.get("/heavy", params={"n": 1_000}).status_code == 200
        limited = client.get("/heavy", params={"n": 1})
        assert limited.status_code == 429
        assert "retry-after" in limited.headers


# Redis


@pytest.fixture
def redis_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    prefix = f"studio-test:{uuid.uuid4()}"
    monkeypatch.setattr(rate_limits, "KEY_PREFIX", prefix)
    try:
        socket.create_connection(("127.0.0.1", 6379), timeout=1).close()
    except OSError:
        if os.environ.get("CI"):
            raise
        pytest.skip("no Redis on 127.0.0.1:6379")
    url = "redis://127.0.0.1:6379/0"
    yield url
    with redis.Redis.from_url(url) as connection:
        for name in connection.scan_iter(f"*{prefix}*"):
            connection.delete(name)


def test_two_services_share_one_count(client_of, redis_url: str, tmp_path: Path) -> None:
    with (
        client_of(api_keys="k", rate_limit="4/minute", redis_url=redis_url) as one,
        client_of(api_keys="k", rate_limit="4/minute", redis_url=redis_url) as other,
    ):
        statuses = [ask(client, X_API_Key="k") for client in (one, other, one, other, one, other)]
        assert statuses == [200] * 4 + [429] * 2
        limited = one.get(MODELS, headers={"X-API-Key": "k"})
        assert 0 < int(limited.headers["retry-after"]) <= 120


async def test_what_redis_refuses_is_not_counted_here(redis_url: str) -> None:
    limit = RateLimit(requests=3, seconds=3600)
    shared = RedisCounter(limit, redis_url)
    elsewhere = RateLimits(limit, shared)
    for _ in range(3):
        await elsewhere.take("a")
    here = RateLimits(limit, shared)
    for _ in range(5):
        with pytest.raises(RateLimitedError):
            await here.take("a")
    assert shared.counters == {"passed": 3, "refused": 5, "unreachable": 0}
    await shared.close()


async def test_no_key_stands_in_redis(redis_url: str) -> None:
    from serving.guards.access import AccessRules
    from studio_pipeline.settings import ApiKey

    caller = AccessRules([ApiKey(key="very-secret")]).decide("/x", "::1", [(b"x-api-key", b"very-secret")])
    shared = RedisCounter(RateLimit(requests=3, seconds=60), redis_url)
    await shared.take(caller.name, 1)
    await shared.close()
    with redis.Redis.from_url(redis_url) as connection:
        names = [name.decode() for name in connection.scan_iter(f"*{rate_limits.KEY_PREFIX}*")]
    assert names
    assert not any("secret" in name for name in names)


@pytest.fixture
def deaf() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that takes connections and never says a word."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()

        def accept() -> None:
            while not stop.is_set():
                try:
                    held.append(server.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0", held
        stop.set()
        thread.join()
        for connection in held:
            connection.close()


def test_a_deaf_redis_is_asked_once_and_each_worker_counts_alone(
    client_of, deaf: tuple[str, list[socket.socket]], tmp_path: Path
) -> None:
    url, connections = deaf
    log = tmp_path / "log"
    with client_of(rate_limit="20/hour", redis_url=url, cache_ttl_seconds=0, log_file=log) as client:
        assert [ask(client) for _ in range(21)] == [200] * 20 + [429]
    assert len(connections) <= 2
    assert log.read_text().count("Redis does not answer") == 1


async def test_nobody_waits_for_a_deaf_redis(deaf: tuple[str, list[socket.socket]]) -> None:
    count = RedisCounter(RateLimit(requests=1, seconds=3600), deaf[0])
    async with asyncio.timeout(2):
        assert await asyncio.gather(*(count.take("a", 1) for _ in range(50))) == [None] * 50
    await count.close()


def test_an_absent_redis_fails_nothing(client_of) -> None:
    with client_of(rate_limit="5/hour", redis_url="redis://127.0.0.1:1/0") as client:
        assert [ask(client) for _ in range(6)] == [200] * 5 + [429]


async def test_a_redis_that_comes_back_is_asked_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "RETRY_SECONDS", 0.0)
    count = RedisCounter(RateLimit(requests=1, seconds=3600), "redis://127.0.0.1:1/0")
    back = RedisCounter(RateLimit(requests=1, seconds=3600), redis_url)
    assert await count.take("a", 1) is None
    assert await count.take("a", 1) is None
    count._window = back._window
    assert await count.take("a", 1) == 0
    assert await count.take("a", 1) > 0
    assert count.counters == {"passed": 1, "refused": 1, "unreachable": 2}
    await count.close()
    await back.close()


@pytest.mark.parametrize("url", ["http://user:pa55@host", "nonsense://x", "redis://host:port-pa55/0"])
def test_a_wrong_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="STUDIO_REDIS_URL") as caught:
        RedisCounter(RateLimit(requests=1, seconds=1), url)
    assert "pa55" not in str(caught.value)
