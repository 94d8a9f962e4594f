"""Asset of the stage `features`: the feature store, one row a studio and month, free of any currency.

The features are defined in `forecasting.features`; the feature matrix for training is assembled there too.
"""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas as pd

from studio_pipeline.evaluation.report.data_figures import correlation_with_growth
from studio_pipeline.forecasting.features.feature_store import feature_frame
from studio_pipeline.forecasting.features.feature_table import FEATURES
from studio_pipeline.panel.frames import panel_from_frame
from studio_pipeline.resources.asset_results import in_stage, numbers, picture, table_result

GROUP = "features"
DESCRIPTIONS = {
    "studio_id": "The studio.",
    "month_year": "The month at whose end this was known.",
    **{feature.name: f"{feature.description} ({feature.unit})" for feature in FEATURES},
}


@dg.asset(
    description="Features of every studio and month, each from that month and earlier ones alone.",
    **in_stage(GROUP, "pandas"),
)
def studio_features(validated_studio_months: pd.DataFrame) -> Any:
    """Compute the features with the code that training and serving share."""
    frame = feature_frame(panel_from_frame(validated_studio_months))
    filled = frame.drop(columns=["studio_id", "month_year"]).notna().to_numpy().mean()
    metadata = {
        **numbers({"features": len(FEATURES), "share_known": filled}),
        **picture("growth", correlation_with_growth(validated_studio_months, frame)),
    }
    return table_result(frame, DESCRIPTIONS, metadata)
