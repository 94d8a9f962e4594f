"""Whether data have become fewer: a model that is fitted on them then knows less than the one before."""

from __future__ import annotations

from studio_pipeline.evaluation.wording import per_cent
from studio_pipeline.panel.arrays import StudioPanel


def shrinkage(now: StudioPanel, before: StudioPanel, tolerance: float) -> str:
    """What today's data lack of those before, a clause; empty where nothing worth noticing.

    Args:
        now: today's panel.
        before: the panel of the last release.
        tolerance: share of its studio months that may be gone, 0..1.
    """
    if now.months[-1:] < before.months[-1:]:
        return f"the data end in {_month(now)}, and those of the last release in {_month(before)}"
    months, expected = int(now.known.sum()), int(before.known.sum())
    if months >= (1 - tolerance) * expected:
        return ""
    return (
        f"the data have {months:,} studio months of {now.n_studios} studios,"
        f" {per_cent(1 - months / expected)} fewer than the last release's {expected:,} of {before.n_studios}"
    )


def _month(panel: StudioPanel) -> str:
    return str(panel.months[-1].astype("datetime64[M]"))
