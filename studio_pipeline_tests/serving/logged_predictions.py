"""Entries of the log of predictions, made up."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from serving.storage.predictions import LoggedPrediction


def entry(studio_id: str = "chain-a-1", **fields: Any) -> LoggedPrediction:
    """An entry with an id of its own, made now."""
    made = LoggedPrediction(
        id=str(uuid4()),
        kind="forward",
        studio_id=studio_id,
        base_month="2021-12-01",
        inputs=b'{"studio_id":"chain-a-1","levers":{"avg_ticket_price":150.0}}',
        outputs=b'{"zebra":0.1,"apple":[1e-7,12345.678901234567],"warnings":["\xc3\xa9 \\" \xe2\x82\xac"]}',
        made_at=datetime.now(UTC),
        release_version=3,
        model_version="7",
        data_version="abc",
    )
    return replace(made, **fields)
