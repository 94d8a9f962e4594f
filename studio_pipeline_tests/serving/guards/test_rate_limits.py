"""Rate limits: windows in memory, the routes, and a Redis that comes and goes."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from fastapi import APIRouter
from redis_peers import REAL_URL, real_redis
from starlette.testclient import TestClient

from serving.guards import rate_limits
from serving.guards.access import AccessRules
from serving.guards.rate_limits import RateLimitedError, RateLimits, RedisCounter
from serving.routes.requests import Context, StrictRoute, count_as
from studio_pipeline.errors import SettingsError
from studio_pipeline.settings import ApiKey, RateLimit

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
    # What counts as more than the limit takes all of it, and passes where it has not been used.
    assert spend(limits, ("c", 10_000), ("c", 1)) == [True, False]


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


def ask(client: TestClient, path: str = MODELS, key: str | None = None) -> int:
    return client.get(path, headers={} if key is None else {"X-API-Key": key}).status_code


def test_a_key_has_its_limit_and_is_told_when_to_come_again(client_of) -> None:
    with client_of(api_keys="k1,k2:chain-a-*", rate_limit="3/hour") as client:
        assert [ask(client, key="k1") for _ in range(4)] == [200, 200, 200, 429]
        limited = client.get(MODELS, headers={"X-API-Key": "k1"})
        wait = int(limited.headers["retry-after"])
        assert 0 < wait <= 7200
        assert limited.json()["detail"].startswith("More than 3 requests in 3600 seconds. Ask again in ")
        assert ask(client, key="k2") == 200
        assert ask(client) == 401


def test_health_is_never_limited_and_open_paths_are_by_peer(client_of) -> None:
    with client_of(api_keys="k", rate_limit="2/hour") as client:
        assert [ask(client, "/api/v1/health") for _ in range(9)] == [200] * 9
        pages = ("/docs", "/openapi.json", "/docs", "/docs/docs.js")
        assert [ask(client, path) for path in pages] == [200, 200, 429, 429]
        assert ask(client, key="k") == 200
    with client_of(rate_limit="2/hour") as client:
        assert [ask(client) for _ in range(3)] == [200, 200, 429]


def test_guesses_at_keys_are_limited(client_of) -> None:
    with client_of(api_keys="k", rate_limit="5/hour") as client:
        assert [ask(client, key=f"guess-{n}") for n in range(7)] == [401] * 5 + [429] * 2
        assert ask(client, key="k") == 200


def test_a_route_can_say_that_a_request_counts_as_many(client_of) -> None:
    router = APIRouter(route_class=StrictRoute)

    @router.get("/heavy")
    async def heavy(n: int, context: Context) -> None:
        await count_as(context, n)

    for costs in ((1, 4, 5), (1_000,)):
        with client_of(rate_limit="10/hour") as client:
            client.app.include_router(router)
            assert all(client.get("/heavy", params={"n": n}).is_success for n in costs)
            limited = client.get("/heavy", params={"n": 1})
            assert limited.status_code == 429
            assert "retry-after" in limited.headers


# Redis


@pytest.fixture
def redis_url(monkeypatch: pytest.MonkeyPatch) -> str:
    # These tests are about counts: a busy machine must not look like a Redis that is away.
    monkeypatch.setattr(rate_limits, "ANSWER_SECONDS", 5.0)
    real_redis()
    return REAL_URL


def test_two_services_share_one_count(client_of, redis_url: str) -> None:
    settings = {"api_keys": "k", "rate_limit": "4/minute", "redis_url": redis_url}
    with client_of(**settings) as one, client_of(**settings) as other:
        statuses = [ask(client, key="k") for client in (one, other, one, other, one, other)]
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
    caller = AccessRules([ApiKey(key="very-secret")]).decide("/x", "::1", [(b"x-api-key", b"very-secret")])
    shared = RedisCounter(RateLimit(requests=3, seconds=60), redis_url)
    await shared.take(caller.name, 1)
    await shared.close()
    with redis.Redis.from_url(redis_url) as connection:
        names = [name.decode() for name in connection.scan_iter(f"*{rate_limits.KEY_PREFIX}*")]
    assert names
    assert not any("secret" in name for name in names)


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A server whose connections the kernel takes, and that never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def url_of(server: socket.socket) -> str:
    return f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def connections_to(server: socket.socket) -> int:
    count = 0
    with suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


def test_a_deaf_redis_is_asked_once_and_counts_go_on(client_of, deaf: socket.socket, tmp_path: Path) -> None:
    settings = {"redis_url": url_of(deaf), "cache_ttl_seconds": 0, "log_file": tmp_path / "log"}
    with client_of(rate_limit="20/hour", **settings) as client:
        assert [ask(client) for _ in range(21)] == [200] * 20 + [429]
    assert 1 <= connections_to(deaf) <= 2
    assert (tmp_path / "log").read_text().count("Redis does not answer") == 1


async def test_nobody_waits_for_a_deaf_redis(deaf: socket.socket) -> None:
    count = RedisCounter(RateLimit(requests=1, seconds=3600), url_of(deaf))
    async with asyncio.timeout(2):
        assert await asyncio.gather(*(count.take("a", 1) for _ in range(50))) == [None] * 50
    await count.close()


async def test_a_redis_that_is_back_is_asked_again(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
