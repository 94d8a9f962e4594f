"""How much of the error is not knowing what the levers will do: forecasts with levers free, and known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.evaluation.candidates import HORIZONS, LEVERS_KNOWN, SPANS
from studio_pipeline.forecasting.origins import Origins
from studio_pipeline.panel.arrays import FloatArray, StudioPanel

COLUMNS: dict[str, str] = {
    "horizon": "Months ahead, one or a span.",
    "n": "Forecasts that were made both ways and whose month is known.",
    "levers_free": "WAPE of revenue with every lever free, as a forecast is made.",
    "levers_known": "WAPE of revenue given what the levers then did, which nobody knows beforehand.",
}


def with_levers_known(
    predictions: pd.DataFrame, panel: StudioPanel, origins: Origins, forecast: FloatArray
) -> pd.DataFrame:
    """The predictions with the column `levers_known`, filled for revenue.

    The core's forecasts serve: where retention, new members and price are given, members and revenue follow
    from them, and next to nothing of what the ensemble adds to a free forecast is left open.

    Args:
        predictions: rows as `schemas.PREDICTIONS` describes them; they may lack some of the origins.
        panel: the months that the origins lie in.
        origins: N of them.
        forecast: (N, H) revenue with levers known.
    """
    row, ahead = np.indices(forecast.shape)
    known = pd.DataFrame(
        {
            "target": "revenue",
            "studio_id": panel.studio_ids[origins.rows[row.ravel()]].astype(object),
            "base_month": panel.months[origins.columns[row.ravel()]].astype("datetime64[ns]"),
            "horizon": ahead.ravel() + 1,
            LEVERS_KNOWN: forecast.ravel(),
        }
    )
    return predictions.merge(known, how="left", on=["target", "studio_id", "base_month", "horizon"])


def levers_known_errors(predictions: pd.DataFrame) -> pd.DataFrame:
    """WAPE of revenue with levers free and known, on the same rows; columns as `COLUMNS`.

    Args:
        predictions: rows as `schemas.PREDICTIONS` describes them, with or without the column `levers_known`.

    Returns:
        A row a horizon "1".."12" and span that has any such forecast; none where there is none at all.
    """
    rows = predictions[predictions["target"] == "revenue"]
    if LEVERS_KNOWN not in rows:
        return _table([])
    known = np.isfinite(rows[["actual", "ensemble", LEVERS_KNOWN]].to_numpy(np.float64)).all(axis=1)
    rows = rows.loc[known]
    missed = pd.DataFrame(
        {
            "n": 1,
            "levers_free": (rows["ensemble"] - rows["actual"]).abs(),
            "levers_known": (rows[LEVERS_KNOWN] - rows["actual"]).abs(),
            "size": rows["actual"].abs(),
        }
    )
    sums = missed.groupby(rows["horizon"]).sum()
    windows = {str(h): (h, h) for h in HORIZONS} | SPANS
    return _table([_line(name, sums.loc[first:last].sum()) for name, (first, last) in windows.items()])


def _line(name: str, sums: pd.Series[float]) -> dict[str, object]:
    size = sums["size"] if sums["size"] > 0 else np.nan
    wape = {column: sums[column] / size for column in ("levers_free", "levers_known")}
    return {"horizon": name, "n": int(sums["n"]), **wape}


def _table(lines: list[dict[str, object]]) -> pd.DataFrame:
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    types = {"horizon": "object", "n": "int64", "levers_free": "float64", "levers_known": "float64"}
    table = table.astype(types)
    return table[table["n"] > 0].reset_index(drop=True)
