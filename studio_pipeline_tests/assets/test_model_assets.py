"""What the assets of a model show in the web UI: tables, pictures and sentences on what is surprising."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from studio_pipeline.asset_checks.evaluation import effects_beat_none
from studio_pipeline.assets.evaluation import effects_metadata, lever_answers
from studio_pipeline.assets.model_fits import _core_metadata
from studio_pipeline.configuration import Configuration
from studio_pipeline.evaluation.formatting import GLOSSARY
from studio_pipeline.evaluation.levers.true_effects import UNKNOWN_TRUTH
from studio_pipeline.evaluation.metrics.schemas import EFFECTS
from studio_pipeline.evaluation.report.model_text import weights_in_words
from studio_pipeline.forecasting.ensemble.candidates import CANDIDATES
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.resources.asset_results import sentences
from studio_pipeline_tests.forecasting.fleets import CONFIGURATION, small_fleet


def frame_of(panel: StudioPanel) -> pd.DataFrame:
    """The months that a panel was made of."""
    rows, columns = np.nonzero(panel.known)
    keys = {
        "studio_id": panel.studio_ids[rows].astype(object),
        "studio_type": panel.studio_types[rows].astype(object),
        "month_year": panel.months[columns].astype("datetime64[ns]"),
    }
    return pd.DataFrame(keys | {name: values[rows, columns] for name, values in panel.values.items()})


def has_picture(metadata: Mapping[str, Any], name: str) -> bool:
    return str(metadata[name].value).startswith(f"![{name}](data:image/png;base64,")


def test_levers_are_swept_and_the_truth_is_said_to_be_unknown() -> None:
    fleet = small_fleet()
    fitted, configuration = (fleet.core, *fleet.fits, fleet.weights), Configuration(forecasting=CONFIGURATION)
    swept, compared = lever_answers(frame_of(fleet.panel), *fitted, configuration=configuration)
    assert swept.asset_key == dg.AssetKey("lever_sweep")
    assert swept.metadata["dagster/row_count"] == len(swept.value) > 200
    assert "The typical studio is" in swept.metadata["in_words"].value
    assert has_picture(swept.metadata, "revenue_by_lever")
    # The fleet has gaps that the generator did not make.
    assert compared.asset_key == dg.AssetKey("lever_effects_against_truth")
    assert compared.value.empty
    assert compared.metadata["in_words"].value == f"- {UNKNOWN_TRUTH}"


def test_the_core_shows_seasons_and_responses() -> None:
    fleet = small_fleet()
    metadata = _core_metadata(fleet.core, fleet.panel)
    assert has_picture(metadata, "lever_responses_figure")
    assert has_picture(metadata, "seasonal_factors_figure")
    responses = metadata["lever_responses"].records
    assert {(r.data["flow"], r.data["responds_to"]) for r in responses} >= {("retention", "price")}
    assert all(record.data["sign_rule"] for record in responses)
    described = {c.name: c.description for c in metadata["lever_responses"].schema.columns}
    assert all(f"{term}: {GLOSSARY[term]}" in described["responds_to"] for term in ("fullness", "crowding"))
    factors = metadata["seasonal_factors"].records
    assert len(factors) == 5 * 12 * len(set(fleet.panel.studio_types))


@pytest.mark.parametrize(
    ("zero", "said"),
    [
        (
            {"xgboost", "lightgbm"},
            "XGBoost and LightGBM earned no place: what was learned of the core's misses",
        ),
        ({"core"}, "the bare stock-and-flow core earned no place: its corrections"),
        ({"persistence"}, "persistence earned no place, as nothing is left for simple rules to add"),
        (set(), ""),
    ],
)
def test_weights_of_zero_are_explained(zero: set[str], said: str) -> None:
    weighted = [name for name in CANDIDATES if name not in zero]
    shares = {name: (name in weighted) / len(weighted) for name in CANDIDATES}
    rows = [("revenue", h, name, share) for h in range(1, 13) for name, share in shares.items()]
    weights = pd.DataFrame(rows, columns=["target", "horizon", "candidate", "weight"])
    shown = str(sentences(weights_in_words(weights)).value)
    assert shown.startswith("- For revenue ")
    assert ("A weight of zero is a finding" in shown) == bool(zero)
    assert said in shown


def test_effects_worse_than_none_are_a_warning_and_block_nothing() -> None:
    def effects(predicted: float) -> pd.DataFrame:
        rows = [
            ("s1", "classes_up_25", "total_classes_held", h, predicted, -100.0, 9_000.0) for h in range(1, 13)
        ]
        return pd.DataFrame(rows, columns=list(EFFECTS.columns))

    for predicted, passed in ((50.0, False), (-50.0, True), (0.0, True)):
        result = effects_beat_none(effects(predicted))
        assert (result.passed, result.severity) == (passed, dg.AssetCheckSeverity.WARN)
        words = "Of classes +25 % the predicted effect is worse than predicting none: off by 150 %"
        assert (words in (result.description or "")) == (not passed)
        metadata = effects_metadata(effects(predicted))
        assert (words in metadata["in_words"].value) == (not passed)
        assert "1 is as bad as predicting no effect" in metadata["how_to_read"]
    unknown = effects_beat_none(effects(0.0).iloc[:0])
    assert unknown.passed
    assert unknown.description == UNKNOWN_TRUTH
    assert not any(spec.blocking for spec in effects_beat_none.check_specs)
