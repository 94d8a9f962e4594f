"""How much of each month was rejected: too much means a broken export, over which a run stops."""

from __future__ import annotations

from typing import Any

import pandas as pd

from studio_pipeline.panel.typed_months import IN_THE_FUTURE, TOO_EARLY


def rejected_share_by_month(validated: pd.DataFrame, rejected: pd.DataFrame) -> pd.DataFrame:
    """The share of each month that was rejected; `ValidationLimits.largest_rejected_share` is the limit.

    Args:
        validated: at least month_year.
        rejected: one row a fault, with file, line and month_year (NaT for a row whose month can't be read).

    Returns:
        month_year, rows, rejected, share (0..1), by month. Rows of months to come and of long ago belong to
        no month that counts and are left out. Rows without a readable month stand in a row of their own
        (NaT); its `rows` are all rows there are, since such a row may belong to any month. Months after the
        last valid one are measured against its rows, too: a stray row is no month of its own, and a newest
        month that was rejected as a whole still shows.
    """
    faulty = _of_months_that_count(rejected)
    counts = pd.DataFrame(
        {"valid": validated["month_year"].value_counts(), "rejected": faulty.value_counts()}
    )
    counts = counts.fillna(0).astype("int64").sort_index()
    table = pd.DataFrame({"month_year": counts.index.astype("datetime64[ns]")})
    table["rows"] = counts.sum(axis=1).to_numpy(dtype="int64")
    table["rejected"] = counts["rejected"].to_numpy(dtype="int64")
    last_valid = validated["month_year"].max()
    beyond = (table["month_year"] > last_valid).to_numpy()
    table.loc[beyond, "rows"] += int((validated["month_year"] == last_valid).sum())
    if without_month := int(faulty.isna().sum()):
        unknown = {
            "month_year": [pd.NaT],
            "rows": [len(validated) + len(faulty)],
            "rejected": [without_month],
        }
        table = pd.concat([table, pd.DataFrame(unknown).astype(table.dtypes)], ignore_index=True)
    return table.assign(share=table["rejected"] / table["rows"].clip(lower=1))


def _of_months_that_count(rejected: pd.DataFrame) -> pd.Series:
    """The month of every rejected row but those that are rejected for lying in no month that counts."""
    reasons = rejected["reason"].astype(str)
    nowhere = rejected["column"].eq("month_year") & (
        reasons.str.startswith(IN_THE_FUTURE) | reasons.str.startswith(TOO_EARLY)
    )
    rows = [rejected["file"], rejected["line"]]
    counting = rejected[~nowhere.groupby(rows).transform("any").astype(bool)] if len(rejected) else rejected
    months: pd.Series = counting.drop_duplicates(["file", "line"])["month_year"]
    return months


def over_limit(shares: pd.DataFrame, limit: float) -> list[str]:
    """A sentence for each month of `rejected_share_by_month` over a share, 0..1."""
    return [
        f"{_month(row.month_year)}: {row.rejected} of {row.rows} rows were rejected"
        f" ({row.share:.0%}, at most {limit:.0%})."
        for row in shares[shares["share"] > limit].itertuples()
    ]


def _month(month: Any) -> str:
    return "no readable month" if pd.isna(month) else f"{month:%Y-%m}"
