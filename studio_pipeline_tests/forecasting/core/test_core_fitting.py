"""How much of the feedback through full classes is believed, on months that the core itself made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio_pipeline.forecasting.base.hyperparameters import CoreHyperparameters
from studio_pipeline.forecasting.core.fitting import best_share, fit_core_parameters, own_members_error
from studio_pipeline.forecasting.core.parameters import CoreParameters
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline_tests.forecasting.fleets import generated_panel


@pytest.fixture(scope="module")
def fitted() -> tuple[StudioPanel, CoreParameters]:
    panel = generated_panel()
    return panel, fit_core_parameters(panel, CoreHyperparameters(tuning_rounds=1))


def test_the_vertex_of_the_parabola_is_taken(
    fitted: tuple[StudioPanel, CoreParameters], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, parameters = fitted
    for vertex, expected in ((0.6, 0.6), (0.0, 0.0), (1.4, 1.0)):
        shares = iter((0.0, 0.25, 0.5, 0.75, 1.0))
        monkeypatch.setattr(
            "studio_pipeline.forecasting.core.fitting.own_members_error",
            lambda *_, s=shares, v=vertex: (next(s) - v) ** 2,
        )
        assert best_share(panel, lambda _: parameters) == pytest.approx(expected)


def test_what_all_studios_share_does_not_count(fitted: tuple[StudioPanel, CoreParameters]) -> None:
    """A core that is off by one factor everywhere is judged as before; one that is off by studio is not."""
    panel, parameters = fitted
    error = own_members_error(panel, parameters)
    retention = parameters.flows["retention"]
    shifted = replace(retention, mean_shift=retention.mean_shift - 0.3)
    common = replace(parameters, flows={**parameters.flows, "retention": shifted})
    assert own_members_error(panel, common) == pytest.approx(error, rel=0.06)
    blind = replace(
        retention, settings=replace(retention.settings, between_variance=1e-9, level_variance=0.0)
    )
    own = replace(parameters, flows={**parameters.flows, "retention": blind})
    assert own_members_error(panel, own) > 1.03 * error
    assert np.isfinite(error)
