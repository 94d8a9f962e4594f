"""The narrator beside a server that answers well, wrongly, slowly, or not at all."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Iterator

import pytest
from fake_openai import FakeOpenAI, fake_openai
from pydantic import SecretStr

from serving.answers import insights as module
from serving.answers.insights import Narrator

pytestmark = pytest.mark.anyio

FIGURES = {"revenue": "12,346", "growth": "up 5.3 %", "month": "March 2025"}
ASKED = "The studio takes {revenue} in {month}, {growth}."
GOOD = "The studio takes 12,346 in March 2025, up 5.3 %."


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with fake_openai() as fake:
        fake.text = ASKED
        yield fake


def written(base_url: str, timeout_seconds: float = 20.0, times: int = 1) -> list[str | None]:
    """What a narrator writes when it is asked some times at once."""

    async def run() -> list[str | None]:
        narrator = Narrator(SecretStr("very-secret"), base_url, "small-1", timeout_seconds)
        try:
            return list(await asyncio.gather(*(narrator.write(FIGURES) for _ in range(times))))
        finally:
            await narrator.close()

    return asyncio.run(run())


def test_a_good_text_is_shown(server: FakeOpenAI) -> None:
    assert written(server.base_url) == [GOOD]
    (asked,) = server.asked
    assert asked["path"] == "/v1/chat/completions"
    assert asked["key"] == "Bearer very-secret"
    assert asked["model"] == "small-1"
    assert json.loads(asked["messages"][1]["content"]) == FIGURES


NUMBERS = (
    "The studio takes twelve thousand three hundred.",
    "Takes \u0663 or \u00bd.",
    "Takes 12,346.",
    "Revenue doubles.",
)
PLACEHOLDERS = ("{sales}", "{revenue.real}, {0} or {}", "{revenue}{revenue}", "-{revenue}", "{revenue} %")
MARKUP = (
    "<script>alert()</script>",
    "See https://example.org for more.",
    "[here](elsewhere)",
    "It is `fine`.",
)
NO_TEXT = (None, "", "   ", "Good. " * 400, "Fine\x07.", "Fine \u202egnihtemos")


@pytest.mark.parametrize("text", [*NUMBERS, *PLACEHOLDERS, *MARKUP, *NO_TEXT])
def test_a_text_that_can_not_be_trusted_is_not_shown(server: FakeOpenAI, text: str | None) -> None:
    server.text = text
    assert written(server.base_url) == [None]
    assert server.asked


TOO_LONG = b'{"choices": [{"message": {"content": "Fine."}}], "more": "' + b"x" * 5_000_000 + b'"}'
NO_JSON = (b"", b"{", b'{"choices": "\xff"}')
NO_CHOICE = (
    b"[]",
    b'"text"',
    b'{"choices": []}',
    b'{"choices": [{"message": {"content": 5}}]}',
    b'{"choices": [{"message": null}]}',
)


@pytest.mark.parametrize("body", [*NO_JSON, *NO_CHOICE, TOO_LONG])
def test_an_answer_of_another_form_is_not_shown(server: FakeOpenAI, body: bytes) -> None:
    server.body = body
    assert written(server.base_url) == [None]


@pytest.mark.parametrize(("status", "calls"), [(500, 2), (429, 2), (401, 1), (404, 1)])
def test_a_server_that_fails_is_asked_once_more_at_most(server: FakeOpenAI, status: int, calls: int) -> None:
    server.status = status
    assert written(server.base_url) == [None]
    assert len(server.asked) == calls


def test_a_slow_server_is_not_waited_for(server: FakeOpenAI) -> None:
    server.holding.clear()
    started = time.monotonic()
    assert written(server.base_url, timeout_seconds=0.5) == [None]
    assert time.monotonic() - started < 8


def test_nobody_there_is_no_narrative() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert written(f"http://127.0.0.1:{unused.getsockname()[1]}/v1", timeout_seconds=5) == [None]
    assert written("http://[nonsense/v1") == [None]


def test_only_a_few_wait_at_once(server: FakeOpenAI) -> None:
    texts = written(server.base_url, times=module.MOST_AT_ONCE + 3)
    assert sorted(text is None for text in texts) == [False] * module.MOST_AT_ONCE + [True] * 3
    assert len(server.asked) == module.MOST_AT_ONCE


def test_the_loop_runs_on_while_a_narrative_is_written(server: FakeOpenAI) -> None:
    server.holding.clear()

    async def run() -> tuple[float, str | None]:
        narrator = Narrator(SecretStr("k"), server.base_url, "m")
        writing = asyncio.create_task(narrator.write(FIGURES))
        longest, last = 0.0, time.monotonic()
        while not server.asked:
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        server.holding.set()
        text = await writing
        await narrator.close()
        return longest, text

    longest, text = asyncio.run(run())
    assert text == GOOD
    # Far less than importing the library and making a client take.
    assert longest < 1.0


def test_the_key_is_in_no_log(server: FakeOpenAI, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for server.status, server.text in ((401, ASKED), (500, ASKED), (200, "999 now"), (200, ASKED)):
            written(server.base_url)
    assert caplog.records
    assert "very-secret" not in caplog.text
