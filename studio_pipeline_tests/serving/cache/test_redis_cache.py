"""The cache in Redis, over the real one and over some that are not well."""

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_peers import DATABASE, REAL_URL, peer, real_redis, saying, well_until_asked
from tcp_proxy import TcpProxy, tcp_proxy

from serving.cache import redis_cache
from serving.cache.redis_cache import PREFIX, RedisCache, opened, redis_client, running_redis_cache, sealed
from studio_pipeline.errors import SettingsError

pytestmark = pytest.mark.anyio

ANSWER = b',"model_version":"7"}'
KEY = "ab" * 32


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_cache, "PAUSE_SECONDS", 0.05)


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    """In front of the real Redis."""
    with tcp_proxy("127.0.0.1", 6379) as proxy:
        yield proxy


def url_of(proxy: TcpProxy) -> str:
    return f"redis://127.0.0.1:{proxy.port}/{DATABASE}"


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not (met := condition()) or (inspect.isawaitable(met) and not await met):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def kept(cache: RedisCache, key: str = KEY, answer: bytes = ANSWER) -> None:
    async def once() -> bool:
        await cache.put(key, answer)
        return await cache.get(key) == answer

    await until(once)


async def is_reachable(cache: RedisCache) -> bool:
    return await cache.state() == "ok"


async def test_an_answer_is_kept_for_its_time_under_the_prefix_and_shared_by_services() -> None:
    redis = real_redis()
    async with running_redis_cache(REAL_URL, 60) as cache, running_redis_cache(REAL_URL, 60) as other:
        assert await cache.get(KEY) is None
        await kept(cache)
        assert await cache.state() == "ok"
        assert await is_reachable(other)
        assert await other.get(KEY) == ANSWER
        assert other.counters == {"hits": 1, "misses": 0, "errors": 0}
    assert redis.keys() == [f"{PREFIX}{KEY}".encode()]
    assert 50 < redis.ttl(PREFIX + KEY) <= 60
    assert ANSWER in redis.get(PREFIX + KEY)


CHANGED = (sealed(KEY, ANSWER)[:-1], sealed(KEY, ANSWER) + b" ", sealed("cd" * 32, ANSWER))


@pytest.mark.parametrize("found", [b"", b"{}", b"\x80\x04K\x01.", *CHANGED, ["a", "list"]])
async def test_what_others_wrote_there_is_no_answer_and_no_failure(found: bytes | list[str]) -> None:
    redis = real_redis()
    if isinstance(found, bytes):
        redis.set(PREFIX + KEY, found)
    else:
        redis.rpush(PREFIX + KEY, *found)
    async with running_redis_cache(REAL_URL, 60) as cache:
        assert await is_reachable(cache)
        assert await cache.get(KEY) is None
        assert cache.counters == {"hits": 0, "misses": 1, "errors": 1}
        await kept(cache, "cd" * 32)
        assert await cache.state() == "ok"


@given(st.binary(), st.text())
def test_what_was_sealed_is_opened(answer: bytes, key: str) -> None:
    key = key.encode("utf-8", "replace").decode()
    assert opened(key, sealed(key, answer)) == answer
    assert opened(key + "x", sealed(key, answer)) is None


@given(st.binary(max_size=60), st.integers(0, 80), st.integers(1, 255))
def test_a_changed_byte_is_found(answer: bytes, place: int, change: int) -> None:
    stored = bytearray(sealed(KEY, answer))
    stored[place % len(stored)] ^= change
    assert opened(KEY, bytes(stored)) is None


async def test_a_full_redis_still_gives_what_it_has() -> None:
    full = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    full_redis = peer(well_until_asked(b"SET\r\n", full))
    async with full_redis as server, running_redis_cache(server.url, 60) as cache:
        assert await is_reachable(cache)
        await cache.put(KEY, ANSWER)
        await until(lambda: cache.counters["errors"] == 1)
        assert await cache.get(KEY) is None
        assert await cache.state() == "ok"


async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def test_a_redis_that_hangs_holds_up_one_request_and_then_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_cache, "PAUSE_SECONDS", 3600)
    async with peer(well_until_asked(b"GET", b"")) as server, running_redis_cache(server.url, 60) as cache:
        await until(lambda: cache._usable)
        server.serve = hang
        await server.stop()
        await server.start()
        assert await cache.get(KEY) is None
        connections = server.connections
        for _ in range(100):
            assert await cache.get(KEY) is None
        assert cache.counters == {"hits": 0, "misses": 101, "errors": 1}
        assert server.connections == connections
        server.serve = well_until_asked(b"GET", b"$-1\r\n")
        assert await is_reachable(cache)


async def test_nobody_waits_for_a_redis_that_was_never_there() -> None:
    async with running_redis_cache("redis://127.0.0.1:1", 60) as cache:
        await cache.put(KEY, ANSWER)
        assert await cache.get(KEY) is None
        assert cache.counters == {"hits": 0, "misses": 1, "errors": 0}
        assert await cache.state() == "unreachable"


def test_the_connection_is_cut_and_restored_under_load(
    proxy: TcpProxy, caplog: pytest.LogCaptureFixture
) -> None:
    real_redis()

    async def run() -> None:
        async with running_redis_cache(url_of(proxy), 60) as cache:
            stop = asyncio.Event()
            wrong: list[bytes] = []

            async def load(name: str) -> int:
                calls = 0
                while not stop.is_set():
                    key = f"{name}-{calls % 20}"
                    answer = await cache.get(key)
                    if answer not in (None, key.encode()):
                        wrong.append(answer)
                    await cache.put(key, key.encode())
                    calls += 1
                    await asyncio.sleep(0)
                return calls

            tasks = [asyncio.create_task(load(str(number))) for number in range(16)]
            for _ in range(3):
                hits = cache.counters["hits"]
                await until(lambda h=hits: cache.counters["hits"] > h + 100)
                proxy.cut()
                await until(lambda: not cache._usable)
                assert await cache.state() == "unreachable"
                proxy.restore()
            await until(partial(is_reachable, cache))
            stop.set()
            assert sum(await asyncio.gather(*tasks)) > 1000
            assert wrong == []

    with caplog.at_level(logging.INFO, redis_cache.__name__):
        asyncio.run(run())
    lines = [record.getMessage() for record in caplog.records]
    assert lines.count("The cache in Redis is in use.") >= 3
    assert len(lines) < 50


async def test_an_answer_that_comes_late_is_never_taken_for_another(proxy: TcpProxy) -> None:
    real_redis()
    async with running_redis_cache(url_of(proxy), 60) as cache:
        keys = [f"{number:064x}" for number in range(20)]
        for key in keys:
            await kept(cache, key, key.encode())
        for delay in (0.06, 0.0, 0.049, 0.0):
            proxy.delay_seconds = delay
            for _ in range(5):
                found = await asyncio.gather(*(cache.get(key) for key in keys))
                assert all(a in (None, k.encode()) for a, k in zip(found, keys, strict=True))
                await asyncio.sleep(0.02)
            proxy.delay_seconds = 0.0
            await until(partial(is_reachable, cache))
            assert await cache.get(keys[3]) == keys[3].encode()


GARBAGE = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"\r\n",
    b":abc\r\n",
    b"$abc\r\n",
    b"$-7\r\nx\r\n",
    b"$3\r\nabcdef\r\n",
    b"*-5\r\n",
    b"*2000000000\r\n",
    b"*1\r\n" * 5000,
    b"%1\r\n" * 5000,
    b"+\xff\xfe\r\n",
    b"-\xff\xfe\r\n",
    b"-NOAUTH Authentication required.\r\n",
    b"-LOADING Redis is loading the dataset in memory\r\n",
    b"\x00" * 1000,
    b",nan\r\n(123\r\n#t\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_a_server_that_is_no_redis_fails_nothing(garbage: bytes) -> None:
    async with peer(saying(garbage)) as server, running_redis_cache(server.url, 60) as cache:
        assert await cache.state() == "unreachable"
        cache._usable = True
        assert await cache.get(KEY) is None
    broken = peer(well_until_asked(b"GET", garbage))
    async with broken as server, running_redis_cache(server.url, 60) as cache:
        await until(partial(is_reachable, cache))
        assert await cache.get(KEY) is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(min_size=1, max_size=30), st.sampled_from([b"", b"$", b"*", b":", b"+", b"-", b"%", b"~", b">"])
)
async def test_no_bytes_fail_an_answer(noise: bytes, start: bytes) -> None:
    broken = peer(well_until_asked(b"GET", start + noise + b"\r\n"))
    async with broken as server, running_redis_cache(server.url, 60) as cache:
        cache._usable = True
        assert await cache.get(KEY) is None


async def test_too_many_waiting_answers_are_counted_not_kept() -> None:
    cache = RedisCache(redis_client("redis://127.0.0.1:1"), 60)
    cache._usable = True
    for number in range(redis_cache._MOST_WAITING + 10):
        await cache.put(str(number), ANSWER)
    assert cache.counters["errors"] == 10


@pytest.mark.parametrize(
    "url", ["redis://:pa55@h?nonsense=1", "redis://:pa55@h?db=x", "redis://:pa55@h?port=x"]
)
def test_options_that_nobody_knows_are_refused_without_the_password(url: str) -> None:
    async def run() -> None:
        redis_client(url)

    with pytest.raises(SettingsError, match="STUDIO_REDIS_URL") as caught:
        asyncio.run(run())
    assert "pa55" not in str(caught.value)


async def test_options_that_are_known_are_taken() -> None:
    real_redis()
    async with running_redis_cache(f"{REAL_URL}?decode_responses=true&protocol=3", 60) as cache:
        assert await is_reachable(cache)
        await cache.put(KEY, ANSWER)
        await until(cache._waiting.empty)
        assert await cache.get(KEY) in (None, ANSWER)
