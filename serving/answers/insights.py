"""Insight answers: their fields, and the summary by a template or an OpenAI-compatible server.

The server is sent figures, months and the names of levers and drivers: no studio's name and no user's text.
It writes placeholders where figures belong. Its summary is shown only if it is short plain text without
numbers of its own.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import SecretStr

from serving.schemas.insights import InsightsRequest
from studio_pipeline.planning.insights.facts import Insight
from studio_pipeline.planning.insights.narrative import figures, recommendation_text, template_summary
from studio_pipeline.publishing.releases import Release

if TYPE_CHECKING:
    from openai import AsyncOpenAI

logger = logging.getLogger(__name__)

TEMPLATE = "template"
TIMEOUT_SECONDS = 10.0
MOST_AT_ONCE = 4
MOST_CHARACTERS = 1500
_MOST_BYTES = 100_000
_MOST_TOKENS = 2000
_RETRIES = 1
_NOT_PLAIN = ("<", ">", "`", "://", "www.", "](", "{", "}")

# Not beside a sign or a letter, nor beside another one: together they would read as another number.
_PLACEHOLDER = re.compile(r"(?<![\w}.,+\u2212-])\{(\w+)\}(?![\w{]|\s*%)")
_NUMBER_WORD = re.compile(
    r"\b(zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|percent|twice|thrice|single|\w+fold|"
    r"(thir|four|fif|six|seven|eigh|nine)teen|(twen|thir|for|fif|six|seven|eigh|nine)ty|"
    r"(hundred|thousand|million|billion|dozen|half|third|quarter|fifth|tenth|couple)s?|"
    r"(halv|doubl|tripl|trebl|quadrupl)(es?|ed|ing))\b",
    re.IGNORECASE,
)

INSTRUCTIONS = """\
You write for the owner of a fitness studio. The JSON maps placeholders to figures of a forecast. Write one
paragraph of at most 120 words in plain English: what the forecast says, what drives the change of revenue,
and what the recommended step would bring, if there is one. Wherever a figure belongs, write its placeholder
in braces, such as {revenue} or {month}, and {step} at the beginning of a sentence; write no number yourself,
neither in digits nor in words. Call the studio "the studio". No list, no heading, no markup, no link."""


class Narrator:
    """Writes summaries; without a `base_url` on OpenAI's own server, each within `timeout_seconds`."""

    def __init__(
        self, api_key: SecretStr, base_url: str | None, model: str, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self.source = f"openai:{model}"
        self._api_key, self._base_url, self._model = api_key, base_url, model
        self._timeout_seconds = timeout_seconds
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._client: AsyncOpenAI | None = None
        self._opening = asyncio.Lock()

    async def write(self, known: Mapping[str, str]) -> str | None:
        """A summary of figures by placeholder; None where there is none to show, and the log says why."""
        if self._turns.locked():
            logger.info("No narrative: the server is asked %d times already.", MOST_AT_ONCE)
            return None
        async with self._turns:
            text = await self._ask(known)
        if text is None:
            return None
        if (fault := _fault_of(text, known)) is None:
            return text.format_map(known)
        logger.warning("A narrative of %s is not shown: %s.", self._model, fault)
        return None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.close()

    async def _ask(self, known: Mapping[str, str]) -> str | None:
        # Importing the library takes a second.
        await asyncio.to_thread(import_module, "openai")
        import httpx
        from openai import OpenAIError

        try:
            async with asyncio.timeout(self._timeout_seconds):
                return _text_of(await self._body(await self._opened(), known))
        except (OpenAIError, httpx.HTTPError, httpx.InvalidURL, TimeoutError, _UnusableAnswerError) as error:
            # The message may quote the request, with its key.
            logger.warning("No narrative from %s: %s.", self._model, type(error).__name__)
            return None

    async def _body(self, client: AsyncOpenAI, known: Mapping[str, str]) -> bytes:
        call = client.chat.completions.with_streaming_response.create(
            model=self._model,
            messages=[
                {"role": "system", "content": INSTRUCTIONS},
                {"role": "user", "content": orjson.dumps(known).decode()},
            ],
            max_completion_tokens=_MOST_TOKENS,
        )
        body = b""
        async with call as response:
            async for part in response.iter_bytes(chunk_size=8192):
                body += part
                if len(body) > _MOST_BYTES:
                    raise _UnusableAnswerError
        return body

    async def _opened(self) -> AsyncOpenAI:
        async with self._opening:
            if self._client is None:
                from openai import AsyncOpenAI

                # It reads certificates.
                self._client = await asyncio.to_thread(
                    AsyncOpenAI,
                    api_key=self._api_key.get_secret_value(),
                    base_url=self._base_url,
                    timeout=self._timeout_seconds,
                    max_retries=_RETRIES,
                )
            return self._client


class _UnusableAnswerError(Exception):
    """An answer that is too long, or not of the form that it should have."""


def _text_of(body: bytes) -> str:
    with suppress(orjson.JSONDecodeError):
        match orjson.loads(body):
            case {"choices": [{"message": {"content": str(text)}}, *_]}:
                return text.strip()
    raise _UnusableAnswerError


def _fault_of(text: str, known: Mapping[str, str]) -> str | None:
    if not text:
        return "it is empty"
    if len(text) > MOST_CHARACTERS:
        return f"it has more than {MOST_CHARACTERS} characters"
    own = _PLACEHOLDER.sub(lambda found: "" if found[1] in known else found[0], text)
    if not own.replace("\n", " ").isprintable() or any(mark in own for mark in _NOT_PLAIN):
        return "it is no plain text, or has placeholders without a figure"
    if any(sign.isnumeric() for sign in own) or _NUMBER_WORD.search(own):
        return "it has numbers of its own"
    return None


async def summary_of(insight: Insight, studio_id: str, narrator: Narrator | None) -> tuple[str, str]:
    """A text and its source: the narrator's where there is one that has one to show, else the template's."""
    if narrator is not None:
        text = await narrator.write(figures(insight.facts))
        if text is not None:
            return text, narrator.source
    return template_summary(insight.facts, studio_id), TEMPLATE


def insight_answer(
    release: Release, request: InsightsRequest, insight: Insight, summary: tuple[str, str]
) -> dict[str, Any]:
    """The JSON of `schemas.insights.InsightsAnswer`."""
    facts = asdict(insight.facts)
    drivers, steps = facts.pop("drivers"), facts.pop("recommendations")
    texts = [recommendation_text(step, insight.facts) for step in insight.facts.recommendations]
    text, source = summary
    return {
        "studio_id": request.studio_id,
        "scenario_id": request.scenario_id,
        "model_version": release.model_version,
        "data_version": release.data_version,
        "summary": text,
        "source": source,
        "drivers": drivers,
        "recommendations": [{**step, "action": action} for step, action in zip(steps, texts, strict=True)],
        "facts": {**facts, "base_month": f"{facts['base_month']}-01", "month": f"{facts['month']}-01"},
        "warnings": list(insight.warnings),
    }
