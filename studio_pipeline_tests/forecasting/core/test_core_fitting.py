"""The fitted core has the responses that its configured priors and its months give."""

import pytest

from studio_pipeline.forecasting.base.flows import FLOW_LINKS, flow_series
from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.core.fitting import fit_core_parameters
from studio_pipeline.forecasting.responses.estimation import estimate_responses
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.fleets import generated_panel

HYPERPARAMETERS = CoreHyperparameters(tuning_rounds=0)


@pytest.fixture(scope="module")
def panel() -> StudioPanel:
    return generated_panel()


def test_its_responses_are_those_of_its_months_and_types(panel: StudioPanel) -> None:
    fitted = fit_core_parameters(panel, HYPERPARAMETERS)
    types = fitted.types_of(panel.studio_types)
    expected = estimate_responses(panel, flow_series(panel), types, HYPERPARAMETERS.responses)
    assert fitted.responses == expected
    assert set(fitted.flows) <= set(FLOW_LINKS)


def test_its_priors_are_configured(panel: StudioPanel) -> None:
    tight = {"mean": -1.7, "standard_deviation": 1e-3}
    certain = CoreHyperparameters.model_validate({"tuning_rounds": 0, "responses": {"price": tight}})
    responses = fit_core_parameters(panel, certain).responses
    for flow in ("retention", "acquisition"):
        assert responses.slope(flow, "price") == pytest.approx(-1.7, abs=0.01)
        assert responses.effects[flow]["price"].source == "prior"
