"""Where a page of saved scenarios ends, as text that means nothing to its reader."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime

from studio_pipeline.errors import InputError


@dataclass(frozen=True)
class Cursor:
    """The last scenario of a page.

    Attributes:
        created_at: when it was saved, with time zone.
        id: which one of those saved at that moment.
    """

    created_at: datetime
    id: str


def write_cursor(cursor: Cursor) -> str:
    """The text of a cursor, safe in a URL."""
    content = f"{cursor.created_at.astimezone(UTC).isoformat()} {cursor.id}"
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """The cursor of a text.

    Raises:
        InputError: it is none of ours.
    """
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        moment, separator, scenario_id = content.partition(" ")
        cursor = Cursor(datetime.fromisoformat(moment), scenario_id)
        if not separator or write_cursor(cursor) != text:
            raise ValueError
    except (ValueError, OverflowError):
        raise InputError(
            "This cursor is none that this service has given.",
            "Send `next_cursor` of the page before as it is, or leave it out to start with the newest.",
        ) from None
    return cursor
