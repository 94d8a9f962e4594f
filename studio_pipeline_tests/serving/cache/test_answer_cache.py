import asyncio

from hypothesis import given
from hypothesis import strategies as st

from serving.cache.answer_cache import MemoryCache


def get(cache: MemoryCache, key: str) -> bytes | None:
    return asyncio.run(cache.get(key))


def put(cache: MemoryCache, key: str, answer: bytes) -> None:
    asyncio.run(cache.put(key, answer))


def test_an_answer_is_kept_until_its_time_is_up_and_a_new_one_takes_its_place_and_time() -> None:
    now = 0.0
    cache = MemoryCache(60, clock=lambda: now)
    put(cache, "a", b"one")
    now = 59.9
    assert get(cache, "a") == b"one"
    put(cache, "a", b"two")
    now = 119.8
    assert get(cache, "a") == b"two"
    now = 119.9
    assert get(cache, "a") is None
    assert cache.size_bytes == 0
    assert cache.counters == {"hits": 2, "misses": 1, "errors": 0}


def test_the_answer_used_longest_ago_goes_first() -> None:
    cache = MemoryCache(60, most_bytes=3 * 1000)
    for key in "abc":
        put(cache, key, b"x" * 500)
    assert get(cache, "a") is not None
    put(cache, "d", b"x" * 500)
    assert [key for key in "abcd" if get(cache, key) is None] == ["b"]


def test_an_answer_too_large_to_be_kept_drives_out_no_other() -> None:
    cache = MemoryCache(60, most_bytes=1000)
    put(cache, "a", b"small")
    put(cache, "b", b"x" * 1000)
    assert (get(cache, "a"), get(cache, "b")) == (b"small", None)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(max_size=900) | st.none())))
def test_it_answers_what_was_put_last_within_its_bytes(steps: list[tuple[str, bytes | None]]) -> None:
    cache = MemoryCache(60, most_bytes=3000)
    last: dict[str, bytes] = {}
    for key, answer in steps:
        if answer is None:
            assert get(cache, key) in (None, last.get(key))
        else:
            put(cache, key, answer)
            last[key] = answer
            assert get(cache, key) == answer
        assert 0 <= cache.size_bytes <= 3000
