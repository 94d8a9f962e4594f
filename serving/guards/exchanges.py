"""One request and its answer, as the guards follow it from the outermost to the innermost."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import Scope


@dataclass(slots=True)
class Exchange:
    """What is known of a request on its way.

    Attributes:
        request_id: on its answer and in its log lines.
        status: of the answer; 0 until it has begun.
    """

    request_id: str
    status: int = 0

    @property
    def answer_has_begun(self) -> bool:
        """Whether it is too late for another answer."""
        return self.status > 0


def begin_exchange(scope: Scope, request_id: str) -> Exchange:
    """The exchange of a request that has just come in."""
    exchange = Exchange(request_id)
    scope.setdefault("state", {})["exchange"] = exchange
    return exchange


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of a request on its way."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange
