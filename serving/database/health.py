"""Whether the database answers now, asked at most once a second whoever wants to know."""

from __future__ import annotations

import asyncio
import time

from serving.database.database import Database, State

FRESH_SECONDS = 1.0
PATIENCE_SECONDS = 2.0

PROBLEMS: dict[State, str | None] = {
    "ok": None,
    "unreachable": "The database can't be reached or written: nothing can be saved, and predictions are"
    " logged to a file until it is back.",
    "newer_schema": "The database's tables were made by a newer version of this program: nothing can be saved"
    " or listed, and predictions are logged to a file. Install that version, or use another database.",
}
"""What a state means for those who use the service."""


class DatabaseHealth:
    """The state of a database, for the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look: asyncio.Task[State] | None = None
        self._seen_at = 0.0

    async def state(self) -> State:
        """What the database says, or said in the last second; one that says nothing is unreachable."""
        if self._look is None or (self._look.done() and time.monotonic() > self._seen_at + FRESH_SECONDS):
            self._look = asyncio.create_task(self._database.run(self._database.state))
            self._look.add_done_callback(self._note)
        try:
            return await asyncio.wait_for(asyncio.shield(self._look), PATIENCE_SECONDS)
        except TimeoutError:
            return "unreachable"

    def _note(self, _: asyncio.Task[State]) -> None:
        self._seen_at = time.monotonic()
