"""Verdicts as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from studio_pipeline.tuning.verdicts import LearnerVerdict

VERDICT_COLUMNS = {
    "learner": "Its name.",
    "verdict": "tuned, or default.",
    "gain": "Share of the defaults' error that the proposed values save in months not searched.",
    "gain_low": "Lower end of the gain's interval: above zero is beyond noise.",
    "gain_high": "Upper end.",
    "gain_where_searched": "The same share in the months of the search; optimistic.",
    "trials": "Trials that ended.",
    "given_up": "Of these, given up after an earlier fold.",
    "seconds": "Of all trials of the study.",
    "stopped": "Why the search ended.",
    "proposed": "The best values of the search as JSON; what is used where the verdict is tuned.",
}


def verdict_table(verdicts: Sequence[LearnerVerdict]) -> pd.DataFrame:
    """The columns of `VERDICT_COLUMNS`, a row a learner."""
    rows = [
        (
            v.learner,
            "tuned" if v.values else "default",
            *((v.gain.share, v.gain.low, v.gain.high) if v.gain else (float("nan"),) * 3),
            v.search.gain,
            v.search.trials,
            v.search.given_up,
            round(v.search.seconds, 1),
            v.search.stop_reason,
            json.dumps({n: x if isinstance(x, int) else float(f"{x:.4g}") for n, x in v.proposed.items()}),
        )
        for v in verdicts
    ]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))
