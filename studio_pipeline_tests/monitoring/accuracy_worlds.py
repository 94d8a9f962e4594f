"""Small worlds for live accuracy: months that arrive, and answers as the service logs them."""

from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import orjson
import pandas as pd

from studio_pipeline.evaluation.metrics.summary import SUMMARY_SPANS

ASKED = pd.Timestamp("2024-01-02 12:00").to_pydatetime()
SEEN_BEFORE, SEEN_AFTER = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-06-01")


class Logged(NamedTuple):
    """The columns of a logged answer, as the reader gives them."""

    kind: str
    studio_id: str
    base_month: date
    inputs: str
    outputs: str
    made_at: datetime
    model_version: str
    role: str


def months_of(revenue: dict[str, list[float]], known: int = 12, **columns: float) -> pd.DataFrame:
    """Validated months from January 2023 on, the first `known` of them there before anything was asked."""
    rows = [
        {
            "studio_id": studio,
            "month_year": pd.Timestamp("2023-01-01") + pd.DateOffset(months=place),
            "studio_type": "Yoga",
            "total_revenue": value,
            "first_seen": SEEN_BEFORE if place < known else SEEN_AFTER,
            **columns,
        }
        for studio, values in revenue.items()
        for place, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def logged(
    studio: str = "a",
    revenue: tuple[float, ...] = (100.0, 100.0, 100.0),
    made_at: datetime = ASKED,
    levers: dict[str, float] | None = None,
    **fields: Any,
) -> Logged:
    """An answer from December 2023 on, with 90 % intervals of 10 to either side."""
    months = {
        f"month_{place}": {"revenue": value, "intervals": {"0.9": [value - 10, value + 10]}}
        for place, value in enumerate(revenue, start=1)
    }
    request = {"studio_id": studio, "levers": levers or {}}
    inputs, outputs = (
        orjson.dumps(content).decode() for content in (request, {"history_months": 12, "predictions": months})
    )
    row = Logged("forward", studio, date(2023, 12, 1), inputs, outputs, made_at, "1", "champion")
    return row._replace(**fields)


def metrics_of(wape: float, scatter: float = 0.15, n_months: int = 24) -> dict[str, float]:
    """A release's metrics that promise the same error at all horizons."""
    spans = {f"revenue_wape_{span}_ensemble": wape for span in SUMMARY_SPANS}
    coverage = {"revenue_coverage_90_1_standard_error": 0.04 / np.sqrt(n_months)}
    return spans | coverage | {"n_studios": 50.0, "n_months": n_months, "revenue_error_scatter_1": scatter}
