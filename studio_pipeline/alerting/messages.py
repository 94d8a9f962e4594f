"""Alert messages, in the form that every channel sends.

Kind, title, text and link, cut to lengths that all channels accept. Their wording comes from `conditions` and
`run_observations`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

Kind = Literal["error", "warning", "recovery", "heartbeat"]

LONGEST_TITLE = 200
LONGEST_TEXT = 3000
"""Characters; the longest text that all channels accept without cutting it themselves."""


@dataclass(frozen=True)
class Message:
    """One message to send.

    Attributes:
        kind: severity; `recovery` ends a failure, `heartbeat` is the daily sign of operation.
        title: one sentence on one line, at most 200 characters.
        text: what happened, where and what to do, at most 3,000 characters; may be empty.
        link: a URL of the run, or empty.
    """

    kind: Kind
    title: str
    text: str = ""
    link: str = ""

    def __post_init__(self) -> None:
        """Cut title and text to their largest lengths."""
        object.__setattr__(self, "title", shortened(" ".join(self.title.split()), LONGEST_TITLE))
        object.__setattr__(self, "text", shortened(self.text, LONGEST_TEXT))

    @property
    def body(self) -> str:
        """Text and link, one below the other."""
        return "\n".join(part for part in (self.text, self.link) if part)

    def to_json(self) -> str:
        """The message as one line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(content: str) -> Message:
        """The inverse of `to_json`."""
        return Message(**json.loads(content))


def shortened(text: str, longest: int) -> str:
    """The text, cut to `longest` characters with an ellipsis if it is longer."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
