"""Bias of the core where every lever is known: found where a part of revenue is missing, and only there."""

from __future__ import annotations

import pytest

from studio_pipeline.asset_checks.data import core_adds_up
from studio_pipeline.evaluation.metrics.core_bias import CoreBias, core_bias
from studio_pipeline.forecasting.backtest.core_backtest import fit_core
from studio_pipeline_tests.forecasting.fleets import (
    CONFIGURATION,
    generated_panel,
    small_fleet,
    without_columns,
)


@pytest.mark.parametrize(
    ("share", "standard_error", "exceeds"),
    [(-0.03, 0.005, True), (0.03, 0.005, True), (0.03, 0.01, False), (-0.019, 0.0001, False)],
)
def test_a_bias_has_to_exceed_both_noise_and_a_negligible_share(
    share: float, standard_error: float, exceeds: bool
) -> None:
    bias = CoreBias(share, standard_error, 27)
    assert bias.exceeds_noise == exceeds
    assert ("too low" in bias.in_words()) == (share < 0)
    assert ("Look whether" in bias.in_words()) == exceeds


def test_a_whole_fleet_has_none() -> None:
    bias = core_bias(small_fleet().core)
    assert bias is not None
    assert not bias.exceeds_noise, bias
    assert core_adds_up(small_fleet().core).passed


def test_a_missing_part_of_revenue_is_found() -> None:
    panel = without_columns(generated_panel(12, 40), ["class_pack_revenue", "upsell_revenue"])
    core = fit_core(panel, CONFIGURATION)
    bias = core_bias(core)
    assert bias is not None
    parts = (generated_panel(12, 40).values[name] for name in ("class_pack_revenue", "upsell_revenue"))
    missing = sum(part[:, -12:].sum() for part in parts) / panel.values["total_revenue"][:, -12:].sum()
    assert bias.share == pytest.approx(-missing, rel=0.5)
    assert not core_adds_up(core).passed


def test_without_members_there_is_no_sum() -> None:
    panel = without_columns(generated_panel(8, 30), ["new_members", "churned_members", "retention_rate"])
    core = fit_core(panel, CONFIGURATION)
    assert core_bias(core) is None
    assert core_adds_up(core).passed
