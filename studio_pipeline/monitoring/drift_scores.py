"""Surprises as standard normal scores, by what the months before showed of their size and shape."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtr

from studio_pipeline.panel.arrays import FloatArray

WARM_UP_MONTHS = 12
"""Months of surprises before any is scored."""
PRIOR_MONTHS = 12.0
"""Months that the pool counts as, beside a studio's own, in its scale and its mean."""
LARGEST = 200.0
EDGES = np.sinh(np.linspace(-np.arcsinh(LARGEST), np.arcsinh(LARGEST), 2401))
LARGEST_SCORE = 6.0
LEAST_COMMON_MONTHS = 8
CLIP = 3.0
MOST_DEGREES = 8
"""Degrees of freedom at most: a common month has longer tails than a normal one, however many came before."""


def own_scores(own: FloatArray) -> FloatArray:
    """(S, T) scores of studios' surprises: N(0, 1), independent over studios and months while nothing drifts.

    From each surprise is taken what the pooled autocorrelation and the studio's own mean surprise foretold; it
    is divided by the studio's scale (shrunk to the pool's) and put on the normal scale by the rank that it has
    among all studios' earlier months. All of that is from months before the scored one.
    """
    n_studios, n_months = own.shape
    scores = np.full(own.shape, np.nan)
    total, squares, count = np.zeros(n_studios), np.zeros(n_studios), np.zeros(n_studios)
    cross, power, pooled, months = 0.0, 0.0, 0.0, 0
    histogram = np.zeros(len(EDGES) - 1)
    before = np.full(n_studios, np.nan)
    for month in range(n_months):
        now = own[:, month]
        memory = float(np.clip(cross / power, -0.5, 0.9)) if power > 0 and months >= 3 else 0.0
        rest = now - memory * np.where(np.isfinite(before), before, 0.0)
        known = np.isfinite(rest)
        if known.sum() >= 2:
            scale = np.sqrt(pooled / months) if months else _spread(rest[known])
            if scale > 0:
                unit = np.where(known, rest / scale, 0.0)
                mean = total / (count + PRIOR_MONTHS)
                size = np.sqrt((PRIOR_MONTHS + squares) / (PRIOR_MONTHS + count))
                standard = (unit - mean) / size
                if histogram.sum() > 0 and months >= WARM_UP_MONTHS:
                    scores[:, month] = np.where(known, _normal_scores(standard, histogram), np.nan)
                if months >= 2:
                    histogram += np.histogram(np.clip(standard[known], -LARGEST, LARGEST), EDGES)[0]
                clipped = np.clip(unit, -CLIP, CLIP)
                total += np.where(known, clipped, 0.0)
                squares += np.where(known, clipped**2, 0.0)
                count += known
            pooled += _spread(rest[known]) ** 2
            months += 1
            both = known & np.isfinite(before)
            limit = CLIP * _spread(now[known])
            a, b = np.clip(now[both], -limit, limit), np.clip(before[both], -limit, limit)
            cross += float((a * b).sum())
            power += float((b * b).sum())
        before = now
    return scores


def in_studio_units(own: FloatArray) -> FloatArray:
    """(S, T) surprises over each studio's scale until then (shrunk to the pool's), drawn in to `CLIP` of them."""
    units = np.full(own.shape, np.nan)
    squares, count = np.zeros(len(own)), np.zeros(len(own))
    pooled, months = 0.0, 0
    for month in range(own.shape[1]):
        now = own[:, month]
        known = np.isfinite(now)
        if months:
            scale = np.sqrt(pooled / months) or 1.0
            size = np.sqrt((PRIOR_MONTHS + squares) / (PRIOR_MONTHS + count))
            units[:, month] = np.clip(now / scale / size, -CLIP, CLIP)
            squares += np.where(known, np.clip(now / scale, -CLIP, CLIP), 0.0) ** 2
            count += known
        if known.any():
            pooled, months = pooled + _spread(now[known]) ** 2, months + 1
    return units


def common_scores(path: FloatArray, calendar_months: np.ndarray | None) -> FloatArray:
    """(T,) scores of the months of one path: Student's t against its own past, put on the normal scale.

    Args:
        path: (T,) a group's month, or a month's statistic.
        calendar_months: (T,) 0..11: changes from month to month are held against the same change in earlier
            years. None: values are held against the mean and the autocorrelation of the past.
    """
    expected_of = _level_surprise if calendar_months is None else _seasonal_surprise
    state = np.full(len(path), np.nan)
    scores = np.full(len(path), np.nan)
    tame: list[float] = []
    for month in range(1, len(path)):
        surprise = expected_of(path, state, month, calendar_months)
        if not np.isfinite(surprise):
            continue
        scale = np.sqrt(np.mean(np.square(tame))) if tame else 0.0
        if len(tame) >= LEAST_COMMON_MONTHS and scale > 0:
            chance = stdtr(min(len(tame) - 1, MOST_DEGREES), surprise / scale)
            scores[month] = np.clip(ndtri(chance), -LARGEST_SCORE, LARGEST_SCORE)
            limit = CLIP * scale
            if abs(surprise) > limit:
                state[month] -= surprise - np.clip(surprise, -limit, limit)
            surprise = float(np.clip(surprise, -limit, limit))
        tame.append(surprise)
    return scores


def _seasonal_surprise(
    path: FloatArray, state: FloatArray, month: int, calendar_months: np.ndarray | None
) -> float:
    """Change less the mean change of the same month in earlier years, scaled for how few those are."""
    state[month] = path[month] - path[month - 1]
    assert calendar_months is not None
    earlier = state[:month][calendar_months[:month] == calendar_months[month]]
    earlier = earlier[np.isfinite(earlier)]
    if not len(earlier):
        return np.nan
    return float((state[month] - earlier.mean()) / np.sqrt(1 + 1 / len(earlier)))


def _level_surprise(path: FloatArray, state: FloatArray, month: int, _: np.ndarray | None) -> float:
    """Distance from the past mean, less what the distance a month before foretold."""
    state[month] = path[month]
    past = state[:month][np.isfinite(state[:month])]
    if len(past) < 3:
        return np.nan
    mean = past.mean()
    centred = past - mean
    power = float((centred[:-1] ** 2).sum())
    memory = float((centred[1:] * centred[:-1]).sum()) / power if power > 0 else 0.0
    # The estimate of an autocorrelation is too low by about (1 + 3 rho) / n (Kendall 1954).
    memory = float(np.clip(memory + (1 + 3 * memory) / len(past), 0.0, 0.9))
    last = path[month - 1] - mean if np.isfinite(path[month - 1]) else 0.0
    noise = np.sqrt(1 + (1 - memory) ** 2 * (1 + memory) / (1 - memory) / len(past))
    return float((path[month] - mean - memory * last) / noise)


def _spread(values: FloatArray) -> float:
    """A standard deviation that outliers don't move."""
    if not len(values):
        return 0.0
    mad = 1.4826 * float(np.median(np.abs(values)))
    return mad if mad > 0 else float(np.sqrt(np.mean(values**2)))


def _normal_scores(values: FloatArray, histogram: FloatArray) -> FloatArray:
    below = np.concatenate([[0.0], np.cumsum(histogram)])
    shares = (np.interp(values, EDGES, below) + 0.5) / (below[-1] + 1)
    return np.asarray(ndtri(shares))
