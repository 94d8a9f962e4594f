"""Standardisation of surprises to N(0, 1) scores, using the months before only."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtr

from studio_pipeline.panel.arrays import BoolArray, FloatArray

WARM_UP_MONTHS = 12
"""Months of surprises before any is scored."""
PRIOR_MONTHS = 12.0
"""Weight, in months, of the pooled scale and mean when a studio's own are shrunk to them."""
LARGEST = 200.0
EDGES = np.sinh(np.linspace(-np.arcsinh(LARGEST), np.arcsinh(LARGEST), 2401))
LARGEST_SCORE = 6.0
LEAST_COMMON_MONTHS = 8
CLIP = 3.0
LARGEST_MOVE = 6.0
MOST_DEGREES = 8
"""Degrees of freedom at most: common monthly shocks have heavier tails than the normal distribution."""


def own_scores(own: FloatArray, moves: FloatArray) -> FloatArray:
    """(S, T) scores of studios' surprises: N(0, 1), independent over studios and months while nothing drifts.

    The predictable part of each surprise is subtracted: pooled autocorrelation, the studio's mean surprise,
    and its sensitivity to its group's moves (a season or a shock affects some studios more than others). The
    rest is divided by the studio's scale, shrunk to the pooled one, and transformed to the normal scale by
    its rank among all studios' earlier months. Only months before the scored one are used. `own` are (S, T)
    surprises, `moves` (S, T) moves of the studio's group from its past, 0 where unknown.
    """
    scores = np.full(own.shape, np.nan)
    past = _Past(len(own))
    for month in range(own.shape[1]):
        scores[:, month] = past.score(own[:, month], moves[:, month])
    return scores


class _Past:
    """Running sums over the months so far of S studios' surprises."""

    def __init__(self, n_studios: int) -> None:
        self.total, self.squares, self.count = (np.zeros(n_studios) for _ in range(3))
        self.followed, self.moved = np.zeros(n_studios), np.zeros(n_studios)
        self.cross, self.power, self.pooled, self.months = 0.0, 0.0, 0.0, 0
        self.histogram = np.zeros(len(EDGES) - 1)
        self.before = np.full(n_studios, np.nan)

    def score(self, now: FloatArray, move: FloatArray) -> FloatArray:
        """(S,) scores of a month, which is then added to the sums."""
        scores = np.full(len(now), np.nan)
        usable = self.power > 0 and self.months >= 3
        memory = float(np.clip(self.cross / self.power, -0.5, 0.9)) if usable else 0.0
        rest = now - memory * np.nan_to_num(self.before)
        known = np.isfinite(rest)
        if known.sum() >= 2:
            if self.pooled > 0:
                scores = self._score(np.where(known, rest, 0.0), known, move)
            self.pooled += _spread(rest[known]) ** 2
            self.months += 1
            self._remember_pairs(now, known & np.isfinite(self.before))
        self.before = now
        return scores

    def _score(self, rest: FloatArray, known: BoolArray, move: FloatArray) -> FloatArray:
        unit = rest / np.sqrt(self.pooled / self.months)
        typical = self.moved / np.maximum(self.count, 1)
        share = self.followed / np.where(self.moved > 0, self.moved + PRIOR_MONTHS * typical, 1.0)
        left = unit - share * move
        mean = self.total / (self.count + PRIOR_MONTHS)
        size = np.sqrt((PRIOR_MONTHS + self.squares) / (PRIOR_MONTHS + self.count))
        standard = (left - mean) / size
        is_warm = self.months >= WARM_UP_MONTHS and self.histogram.sum() > 0
        scores = np.full(len(rest), np.nan)
        if is_warm:
            below = np.concatenate([[0.0], np.cumsum(self.histogram)])
            shares = (np.interp(standard, EDGES, below) + 0.5) / (below[-1] + 1)
            scores = np.where(known, ndtri(shares), np.nan)
        if self.months >= 2:
            self.histogram += np.histogram(np.clip(standard[known], -LARGEST, LARGEST), EDGES)[0]
        clipped = np.where(known, np.clip(left, -CLIP, CLIP), 0.0)
        self.total += clipped
        self.squares += clipped**2
        self.count += known
        self.followed += np.where(known, move * np.clip(unit, -LARGEST_MOVE, LARGEST_MOVE), 0.0)
        self.moved += np.where(known, move**2, 0.0)
        return scores

    def _remember_pairs(self, now: FloatArray, both: BoolArray) -> None:
        limit = CLIP * _spread(now[np.isfinite(now)])
        a, b = np.clip(now[both], -limit, limit), np.clip(self.before[both], -limit, limit)
        self.cross += float((a * b).sum())
        self.power += float((b * b).sum())


def common_scores(path: FloatArray, calendar_months: np.ndarray | None) -> FloatArray:
    """(T,) scores of the months of one path: Student's t against its own past, on the normal scale.

    Args:
        path: (T,) a group's month, or a month's statistic.
        calendar_months: (T,) 0..11: month-to-month changes are compared with the same change in earlier
            years. None: values are compared with the mean and the autocorrelation of the past.
    """
    state = np.full(len(path), np.nan)
    scores = np.full(len(path), np.nan)
    tame: list[float] = []
    for month in range(1, len(path)):
        if calendar_months is None:
            surprise = _level_surprise(path, state, month)
        else:
            surprise = _seasonal_surprise(path, state, month, calendar_months)
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


def _seasonal_surprise(path: FloatArray, state: FloatArray, month: int, calendar_months: np.ndarray) -> float:
    """Change less the mean change of the same month in earlier years, scaled for the number of years."""
    state[month] = path[month] - path[month - 1]
    earlier = state[:month][calendar_months[:month] == calendar_months[month]]
    earlier = earlier[np.isfinite(earlier)]
    if not len(earlier):
        return np.nan
    return float((state[month] - earlier.mean()) / np.sqrt(1 + 1 / len(earlier)))


def _level_surprise(path: FloatArray, state: FloatArray, month: int) -> float:
    """Distance from the past mean, less its AR(1) prediction from the month before."""
    state[month] = path[month]
    past = state[:month][np.isfinite(state[:month])]
    if len(past) < 3:
        return np.nan
    mean = past.mean()
    centred = past - mean
    power = float((centred[:-1] ** 2).sum())
    memory = float((centred[1:] * centred[:-1]).sum()) / power if power > 0 else 0.0
    # The estimate of an autocorrelation is biased by about -(1 + 3 rho) / n (Kendall 1954).
    memory = float(np.clip(memory + (1 + 3 * memory) / len(past), 0.0, 0.9))
    last = path[month - 1] - mean if np.isfinite(path[month - 1]) else 0.0
    noise = np.sqrt(1 + (1 - memory) ** 2 * (1 + memory) / (1 - memory) / len(past))
    return float((path[month] - mean - memory * last) / noise)


def _spread(values: FloatArray) -> float:
    """Robust standard deviation: 1.4826 times the median absolute value, or the RMS if that is 0."""
    if not len(values):
        return 0.0
    mad = 1.4826 * float(np.median(np.abs(values)))
    return mad if mad > 0 else float(np.sqrt(np.mean(values**2)))
