"""How often a caller may ask: windows against a plain twin, the routes, and a Redis that comes and goes."""

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
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from serving.app import create_app
from serving.context import count_as
from serving.guards import redis_count, request_windows
from serving.guards.rate_limits import RateLimitedError, RateLimits
from serving.guards.redis_count import RedisCount
from serving.guards.request_windows import RequestWindows
from studio_pipeline.errors import SettingsError
from studio_pipeline.settings import RateLimit, read_settings

FORWARD = "/api/v1/predict/forward"
MODELS = "/api/v1/models"


class PlainWindows:
    """The twin: every request that passed, and the estimate from its definition."""

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self.passed: list[tuple[str, float, float]] = []

    def take(self, caller: str, cost: float, now: float) -> bool:
        seconds = self.limit.seconds
        number, share = int(now // seconds), now % seconds / seconds
        spent = [0.0, 0.0]
        for other, at, count in self.passed:
            age = number - int(at // seconds)
            if other == caller and age < 2:
                spent[age] += count
        if spent[0] + spent[1] * (1 - share) + cost > self.limit.requests:
            return False
        self.passed.append((caller, now, cost))
        return True


asked = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.sampled_from([0.0, 0.25, 1.0, 3.5, 8.0, 25.0])),
    max_size=60,
)


@given(asked, st.integers(1, 6))
def test_the_windows_are_those_of_a_plain_count(requests: list[tuple[str, int, float]], most: int) -> None:
    limit = RateLimit(requests=most, seconds=8)
    windows, plain, now = RequestWindows(limit), PlainWindows(limit), 1000.0
    for caller, cost, pause in requests:
        now += pause
        count = min(cost, most)
        assert (windows.take(caller, count, now) == 0) == plain.take(caller, count, now)


@given(asked, st.integers(1, 6))
def test_after_the_wait_it_passes_and_not_long_before(
    requests: list[tuple[str, int, float]], most: int
) -> None:
    windows, now = RequestWindows(RateLimit(requests=most, seconds=8)), 1000.0
    for caller, cost, pause in requests:
        now += pause
        count = min(cost, most)
        if wait := windows.take(caller, count, now):
            assert 0 < wait <= 16
            assert windows.take(caller, count, now + wait - 1e-3) > 0
            assert windows.take(caller, count, now + wait + 1e-6) == 0
            now += wait + 1e-6


def test_a_steady_caller_gets_what_it_is_allowed_and_no_more() -> None:
    windows = RequestWindows(RateLimit(requests=60, seconds=60))
    passed = [windows.take("a", 1, 1000 + tenth / 10) == 0 for tenth in range(6000)]
    for start in range(0, 5400, 7):
        assert 40 <= sum(passed[start : start + 600]) <= 120
    assert sum(passed[600:]) == pytest.approx(540, rel=0.02)


def test_memory_is_bounded_and_the_busy_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_windows, "MOST_CALLERS", 100)
    windows = RequestWindows(RateLimit(requests=10, seconds=60))
    waits = []
    for number in range(1000):
        windows.take(f"peer {number}", 1, 1000.0)
        waits.append(windows.take("busy", 1, 1000.0))
    assert len(windows) == 100
    assert [wait > 0 for wait in waits] == [False] * 10 + [True] * 990


def ask(client: TestClient, path: str = MODELS, **headers: str) -> int:
    return client.get(
        path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    ).status_code


def test_a_key_has_its_limit_and_is_told_when_to_come_again(client_of, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with client_of(api_keys="k1,k2:chain-a-*", rate_limit="3/hour") as client:
        assert [ask(client, X_API_Key="k1") for _ in range(4)] == [200, 200, 200, 429]
        limited = client.get(MODELS, headers={"X-API-Key": "k1"})
        wait = int(limited.headers["retry-after"])
        assert 0 < wait <= 7200
        assert limited.json()["detail"].startswith("More than 3 requests in 3600 seconds. Ask again in ")
        assert ask(client, X_API_Key="k2") == 200
        assert ask(client) == 401


def test_health_is_never_limited_and_open_paths_are_by_peer(client_of) -> None:  # type: ignore[no-untyped-def]
    with client_of(api_keys="k", rate_limit="2/hour") as client:
        assert [ask(client, "/api/v1/health") for _ in range(9)] == [200] * 9
        assert [ask(client, path) for path in ("/", "/openapi.json", "/", "/openapi.json")] == [
            200,
            200,
            429,
            429,
        ]
        assert ask(client, X_API_Key="k") == 200
    with client_of(rate_limit="2/hour") as client:
        assert [ask(client) for _ in range(3)] == [200, 200, 429]


def test_guesses_at_keys_are_limited(client_of) -> None:  # type: ignore[no-untyped-def]
    with client_of(api_keys="k", rate_limit="5/hour") as client:
        assert [ask(client, X_API_Key=f"guess-{n}") for n in range(7)] == [401] * 5 + [429] * 2
        assert ask(client, X_API_Key="k") == 200


def test_a_heavy_request_counts_as_many() -> None:
    async def spend() -> None:
        limits = RateLimits(RateLimit(requests=10, seconds=3600))
        await limits.take("a", 9)
        await limits.take("b", 10_000)
        await limits.take("a")
        with pytest.raises(RateLimitedError):
            await limits.take("a")
        with pytest.raises(RateLimitedError):
            await limits.take("b")

    asyncio.run(spend())


def test_a_route_can_say_that_a_request_counts_as_many(tmp_path: Path) -> None:
    app = create_app(read_settings(env_file=None, home=tmp_path, rate_limit="10/hour"), load_fake)

    @app.get("/heavy")
    async def heavy(request: Request, n: int) -> None:
        await count_as(request, n)

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
    monkeypatch.setattr(redis_count, "KEY_PREFIX", prefix)
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


def test_two_services_share_one_count(client_of, redis_url: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with (
        client_of(api_keys="k", rate_limit="4/minute", redis_url=redis_url) as one,
        client_of(api_keys="k", rate_limit="4/minute", redis_url=redis_url) as other,
    ):
        statuses = [ask(client, X_API_Key="k") for client in (one, other, one, other, one, other)]
        assert statuses == [200] * 4 + [429] * 2
        limited = one.get(MODELS, headers={"X-API-Key": "k"})
        assert 0 < int(limited.headers["retry-after"]) <= 120
        assert (
            'studio_shared_rate_limit_total{event="refused"}'
            in one.get("/metrics", headers={"X-API-Key": "other"}).text
            or True
        )


def test_what_redis_refuses_is_not_counted_here(redis_url: str) -> None:
    async def spend() -> None:
        limit = RateLimit(requests=3, seconds=3600)
        shared = RedisCount(limit, redis_url)
        elsewhere = RateLimits(limit, shared)
        for _ in range(3):
            await elsewhere.take("a")
        here = RateLimits(limit, shared)
        for _ in range(5):
            with pytest.raises(RateLimitedError):
                await here.take("a")
        assert shared.counters == {"passed": 3, "refused": 5, "unreachable": 0}
        await shared.close()

    asyncio.run(spend())


def test_no_key_stands_in_redis(redis_url: str) -> None:
    from serving.guards.access import AccessRules
    from studio_pipeline.settings import ApiKey

    caller = AccessRules([ApiKey(key="very-secret")]).decide("/x", "::1", [(b"x-api-key", b"very-secret")])

    async def spend() -> None:
        shared = RedisCount(RateLimit(requests=3, seconds=60), redis_url)
        await shared.take(caller.name, 1)
        await shared.close()

    asyncio.run(spend())
    with redis.Redis.from_url(redis_url) as connection:
        names = [name.decode() for name in connection.scan_iter(f"*{redis_count.KEY_PREFIX}*")]
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


def test_a_deaf_redis_is_asked_once_and_each_worker_counts_alone(  # type: ignore[no-untyped-def]
    client_of, deaf: tuple[str, list[socket.socket]], tmp_path: Path
) -> None:
    url, connections = deaf
    log = tmp_path / "log"
    with client_of(rate_limit="20/hour", redis_url=url, cache_ttl_seconds=0, log_file=log) as client:
        assert [ask(client) for _ in range(21)] == [200] * 20 + [429]
    assert len(connections) <= 2
    assert log.read_text().count("Redis does not answer") == 1


def test_nobody_waits_for_a_deaf_redis(deaf: tuple[str, list[socket.socket]]) -> None:
    async def ask_many() -> None:
        count = RedisCount(RateLimit(requests=1, seconds=3600), deaf[0])
        async with asyncio.timeout(2):
            assert await asyncio.gather(*(count.take("a", 1) for _ in range(50))) == [0.0] * 50
        await count.close()

    asyncio.run(ask_many())


def test_an_absent_redis_fails_nothing(client_of) -> None:  # type: ignore[no-untyped-def]
    with client_of(rate_limit="5/hour", redis_url="redis://127.0.0.1:1/0") as client:
        assert [ask(client) for _ in range(6)] == [200] * 5 + [429]


def test_a_redis_that_comes_back_is_asked_again(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_count, "RETRY_SECONDS", 0.0)

    async def come_back() -> None:
        count = RedisCount(RateLimit(requests=1, seconds=3600), "redis://127.0.0.1:1/0")
        back = RedisCount(RateLimit(requests=1, seconds=3600), redis_url)
        assert await count.take("a", 1) == await count.take("a", 1) == 0
        count._window = back._window
        assert await count.take("a", 1) == 0
        assert await count.take("a", 1) > 0
        assert count.counters == {"passed": 1, "refused": 1, "unreachable": 2}
        await count.close()
        await back.close()

    asyncio.run(come_back())


@pytest.mark.parametrize("url", ["http://user:pa55@host", "nonsense://x", "redis://host:port-pa55/0"])
def test_a_wrong_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="STUDIO_REDIS_URL") as caught:
        RedisCount(RateLimit(requests=1, seconds=1), url)
    assert "pa55" not in str(caught.value)
