"""Live comparison of champion and challenger: difference of their errors with its interval.

Three comparisons, the most direct one first:

    shadow      both models answered: each challenger forecast is paired with the champion's
    published   studios are split between the models: it is paired with the champion's published forecast of
                the same studio, base month and horizon
    arms        neither exists: the errors of the two groups of studios are compared, each scaled by the mean
                month-to-month change of its studios' revenue

Intervals are clustered by month and studio. The release decision on the backtest is in
`evaluation.promotion.release_decision`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t as student

from studio_pipeline.evaluation.metrics.summary import ratio_standard_error

DESCRIPTIONS: dict[str, str] = {
    "challenger": "Model version of the challenger.",
    "champion": "Model versions of the champion that it is compared with.",
    "how": "shadow: both answered; published: against the published forecast; arms: different studios.",
    "n": "Forecasts of the challenger that are compared.",
    "studios": "Their studios.",
    "months": "Calendar months that they forecast.",
    "difference": "Error of the challenger over that of the champion, minus 1: below 0 is better.",
    "low": "Lower end of the 95 % interval, clustered by month and studio; none for a single month.",
    "high": "Upper end of that interval.",
}
_SAME = ["studio_id", "base_month", "horizon"]
_Figures = tuple[float, float, float]


def role_differences(found: pd.DataFrame) -> pd.DataFrame:
    """Compare challengers with the champion on judged forecasts with free levers.

    Returns:
        A row a challenger and comparison; columns as `DESCRIPTIONS`.
    """
    free = found[found["kind"] == "free"]
    free = free.assign(absolute_error=(free["revenue"] - free["actual"]).abs())
    free = free.sort_values("made_at", kind="stable")
    own = free[free["role"] == "champion"]
    asked, published = own[own["source"] == "asked"], own[own["source"] == "published"]
    lines: list[tuple[object, ...]] = []
    for version, every in free[free["role"] == "challenger"].groupby("model_version", sort=True):
        rows = every.drop_duplicates(_SAME, keep="last")
        for how, others in (("shadow", asked), ("published", published)):
            beside = others.drop_duplicates(_SAME, keep="last")[[*_SAME, "absolute_error", "model_version"]]
            pairs = rows.merge(beside, on=_SAME, suffixes=("", "_champion"))
            if len(pairs):
                theirs = pairs["absolute_error_champion"].to_numpy(np.float64)
                ratio, error = _ratio(pairs, pairs["absolute_error"].to_numpy(np.float64) - theirs, theirs)
                figures = _interval(ratio, error, pairs["month_year"].nunique())
                lines.append(_line(str(version), pairs["model_version_champion"], how, pairs, figures))
            rows = rows.merge(beside[_SAME], on=_SAME, how="left", indicator=True)
            rows = rows[rows["_merge"] == "left_only"].drop(columns="_merge")
        arm = asked[asked["month_year"].isin(rows["month_year"])]
        if len(rows) and len(arm):
            lines.append(_line(str(version), arm["model_version"], "arms", rows, _arms(rows, arm)))
    return pd.DataFrame(lines, columns=list(DESCRIPTIONS))


def _line(
    version: str, champions: pd.Series, how: str, rows: pd.DataFrame, figures: _Figures
) -> tuple[object, ...]:
    names = ", ".join(sorted(set(champions))[:5])
    return version, names, how, len(rows), rows["studio_id"].nunique(), rows["month_year"].nunique(), *figures


def _arms(rows: pd.DataFrame, arm: pd.DataFrame) -> _Figures:
    """Ratio of both arms' scaled errors, on the log scale; error common to both in a month is not removed."""
    usable = [part[part["expected_by_naive"] > 0] for part in (rows, arm)]
    found = [_ratio(p, p["absolute_error"].to_numpy(), p["expected_by_naive"].to_numpy()) for p in usable]
    (ratio, error), (other, other_error) = found
    if not (ratio > 0 and other > 0):
        return float("nan"), float("nan"), float("nan")
    deviation = np.hypot(error / ratio, other_error / other)
    _, low, high = _interval(float(np.log(ratio / other)), float(deviation), rows["month_year"].nunique())
    return float(ratio / other - 1), float(np.expm1(low)), float(np.expm1(high))


def _ratio(rows: pd.DataFrame, above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    if rows.empty:
        return float("nan"), float("nan")
    studios, months = (pd.factorize(rows[name], sort=True)[0] for name in ("studio_id", "month_year"))
    return ratio_standard_error(above, below, studios, months)


def _interval(center: float, error: float, n_months: int) -> _Figures:
    reach = student.ppf(0.975, n_months - 1) * error if n_months > 1 else float("nan")
    return center, float(center - reach), float(center + reach)
