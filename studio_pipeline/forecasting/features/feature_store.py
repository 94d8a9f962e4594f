"""Feature store: tables of the feature function over every month of a panel.

Only the conversion between arrays and tables belongs here; values come from `feature_function`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from studio_pipeline.forecasting.features.feature_function import FEATURE_NAMES, all_features
from studio_pipeline.panel.arrays import FloatArray, StudioPanel


def feature_frame(panel: StudioPanel) -> pd.DataFrame:
    """Table with one row per known studio month: studio_id, month_year and every feature."""
    features = all_features(panel)
    rows, columns = np.nonzero(panel.known)
    keys = pd.DataFrame(
        {
            "studio_id": panel.studio_ids[rows].astype(object),
            "month_year": panel.months[columns].astype("datetime64[ns]"),
        }
    )
    return pd.concat([keys, pd.DataFrame(features[rows, columns], columns=list(FEATURE_NAMES))], axis=1)


def feature_array(frame: pd.DataFrame, panel: StudioPanel) -> FloatArray:
    """(S, T, F) features of the frame on a panel's calendar; 0 where the studio lacks the month."""
    laid_out = np.zeros((panel.n_studios, panel.n_months, len(FEATURE_NAMES)))
    rows = np.searchsorted(panel.studio_ids, frame["studio_id"].to_numpy().astype(panel.studio_ids.dtype))
    months = frame["month_year"].to_numpy().astype("datetime64[M]")
    columns = (months - panel.first_month.astype("datetime64[M]")).astype(np.int64)
    laid_out[rows, columns] = frame[list(FEATURE_NAMES)].to_numpy()
    return laid_out
