"""Under which key an answer is kept, and how a kept answer becomes a new one."""

from __future__ import annotations

from hashlib import sha256

import orjson
from pydantic import BaseModel

from serving.answers.fresh_ids import fresh_id
from studio_pipeline.publishing.releases import Release

_ID_LENGTH = 36


def cache_key(kind: str, release: Release, *asked: BaseModel) -> str:
    """The key of an answer: the same for equal requests to one release, another where any field differs.

    Args:
        kind: of answer, such as `forward`.
        release: that answers; of two with the same numbers, run and moment of publication tell them apart.
        asked: the request, checked, with every default in its place, and what else the answer depends on.
    """
    parts = [_release_part(kind, release), *(one.model_dump_json().encode() for one in asked)]
    return sha256(b"".join(parts)).hexdigest()


def _release_part(kind: str, release: Release) -> bytes:
    return orjson.dumps(
        (
            kind,
            release.version,
            release.model_version,
            release.data_version,
            release.challenger_model_version,
            release.run_id,
            release.published_at,
        )
    )


def without_id(field: str, answer: bytes) -> bytes:
    """What follows the id in the JSON of an answer that begins with it."""
    return answer[len(_before_id(field)) + _ID_LENGTH + 1 :]


def with_fresh_id(field: str, tail: bytes) -> tuple[str, bytes]:
    """An answer with an id that nobody has had yet, and that id.

    Args:
        field: the name of the id.
        tail: of `without_id`.
    """
    fresh = fresh_id()
    return fresh, b'%b%b"%b' % (_before_id(field), fresh.encode(), tail)


def _before_id(field: str) -> bytes:
    return b'{"%b":"' % field.encode()
