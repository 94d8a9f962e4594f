"""Replies: the JSON of an answered prediction with its id, and its entry for the prediction log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from time import time_ns
from typing import Any, Literal

import orjson
from starlette.responses import Response

from serving.model_store import HeldRelease
from serving.runtime import random_bytes
from serving.schemas.forward import ForwardRequest
from serving.schemas.inverse import InverseRequest
from serving.storage.predictions import LoggedPrediction

Kind = Literal["forward", "inverse"]
Body = ForwardRequest | InverseRequest

ID_FIELDS: dict[Kind, str] = {"forward": "scenario_id", "inverse": "optimization_id"}

_VERSION_AND_VARIANT = 0x7 << 76 | 0x2 << 62
_RANDOM_BITS = ((1 << 80) - 1) & ~(0xF << 76 | 0x3 << 62)


class FastJSONResponse(Response):
    """JSON response serialised by orjson; NaN becomes null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of `content`."""
        return orjson.dumps(content)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answered prediction."""

    kind: Kind
    body: Body
    held: HeldRelease
    id: str
    base_month: str  # last known month of the answer, as its first day
    content: bytes  # JSON

    @classmethod
    def of(cls, kind: Kind, body: Body, held: HeldRelease, answer: dict[str, Any]) -> Reply:
        """The reply of an answer's fields."""
        return cls(kind, body, held, answer[ID_FIELDS[kind]], answer["base_month"], orjson.dumps(answer))

    @classmethod
    def cached(cls, kind: Kind, body: Body, held: HeldRelease, content: bytes) -> Reply:
        """The reply of an earlier answer's JSON, under a new id."""
        return cls.of(kind, body, held, orjson.loads(content) | {ID_FIELDS[kind]: fresh_id()})

    def logged(self, made_at: datetime) -> LoggedPrediction:
        """Its entry in the prediction log; fields that the request left out are left out."""
        release = self.held.release
        return LoggedPrediction(
            id=self.id,
            kind=self.kind,
            studio_id=self.body.studio_id,
            base_month=self.base_month,
            inputs=self.body.model_dump_json(exclude_unset=True).encode(),
            outputs=self.content,
            made_at=made_at,
            release_version=release.version,
            model_version=release.model_version,
            data_version=release.data_version,
            role=self.held.role,
        )


def fresh_id() -> str:
    """A new UUID, version 7: ids of successive answers are neighbours in the indexes of the database.

    Source: RFC 9562. The standard library has it from Python 3.14 on.
    """
    random = int.from_bytes(random_bytes(), "big") & _RANDOM_BITS
    digits = f"{time_ns() // 1_000_000 << 80 | _VERSION_AND_VARIANT | random:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
