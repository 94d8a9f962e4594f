"""Whose doing a gain is: a Shapley split over the levers that change, which adds up by construction.

A lever's share is what it adds to the revenue, averaged over all orders in which the changes could be made.
Source: Shapley, A Value for n-Person Games (1953).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from studio_pipeline.panel.arrays import FloatArray


def shapley_split(
    present: FloatArray, plan: FloatArray, revenue: Callable[[FloatArray], FloatArray]
) -> dict[int, float]:
    """Place of each lever that changes to its share of the gain, currency.

    Args:
        present: (7,) levers as they are.
        plan: (7,) levers as planned.
        revenue: of (7, N) plans, (N,); asked once, for every subset of the k levers that change.
    """
    changed = np.flatnonzero(plan != present)
    k = len(changed)
    if not k:
        return {}
    subsets = (np.arange(1 << k)[:, None] >> np.arange(k)) & 1
    x = np.repeat(present[:, None], len(subsets), 1)
    x[changed] = np.where(subsets.T == 1, plan[changed, None], present[changed, None])
    earned = revenue(x)
    weight = np.array([math.factorial(n) * math.factorial(k - n - 1) for n in range(k)]) / math.factorial(k)
    size, shares = subsets.sum(1), {}
    for order, place in enumerate(changed.tolist()):
        without = np.flatnonzero(subsets[:, order] == 0)
        adds = earned[without | (1 << order)] - earned[without]
        shares[place] = float(weight[size[without]] @ adds)
    return shares
