"""Champion-challenger experiment: deterministic assignment of studios, equal on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from studio_pipeline.settings import AbMode

Role = Literal["champion", "challenger"]

_DIGEST_BYTES = 8
_ALL = 2.0 ** (8 * _DIGEST_BYTES)


@dataclass(frozen=True)
class Experiment:
    """Part of a release's challenger in answering."""

    # `split`: it answers a share of the studios; `shadow`: it scores all of them, and its answers are not
    # shown; `off`: nothing
    mode: AbMode = "off"
    share: float = 0.0  # of the studios that it answers in a split, 0..1

    def gives_to_challenger(self, studio_id: str, challenger_model_version: str) -> bool:
        """True if the challenger answers a studio.

        Each challenger draws other studios. With a larger share, those that were in it stay in it.
        """
        if self.mode != "split":
            return False
        drawn = blake2b(
            studio_id.encode(), key=challenger_model_version.encode()[:64], digest_size=_DIGEST_BYTES
        )
        return int.from_bytes(drawn.digest(), "big") / _ALL < self.share
