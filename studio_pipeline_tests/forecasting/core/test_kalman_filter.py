"""The vectorised filter against a slow, obvious twin: one studio at a time, two-by-two matrices."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.forecasting.base.flows import FlowSeries
from studio_pipeline.forecasting.core.filter_states import FilterSettings, FilterStates, project
from studio_pipeline.forecasting.core.kalman_filter import run_filters
from studio_pipeline.panel.arrays import FloatArray, IntArray

PLAIN = FilterSettings(
    level_variance=0.01,
    deviation_variance=0.02,
    deviation_persistence=0.7,
    noise_variance=0.05,
    between_variance=0.5,
    own_season_months=4.0,
    common_gain=0.4,
    common_persistence=0.9,
    jump_threshold=4.0,
    clip_threshold=2.5,
    drift_damping=0.8,
    own_drift_share=0.3,
    amplitude_variance=0.2,
)
QUIET = replace(
    PLAIN,
    common_gain=0.0,
    own_season_months=1e9,
    jump_threshold=1e9,
    clip_threshold=1e9,
    amplitude_variance=0.0,
)


SAME = ("level", "deviation", "own_season", "amplitude", "surprise")


class SlowStudio:
    """Level and deviation of one studio, as the textbook writes them."""

    def __init__(self, s: FilterSettings, start: float) -> None:
        self.s, self.months_seen = s, 0
        self.state = np.array([start, 0.0])
        self.covariance = np.diag([s.between_variance, 0.5 * s.deviation_variance])
        self.own_season, self.own_weight = np.zeros(12), np.zeros(12)
        self.amplitude, self.amplitude_variance = 1.0, s.amplitude_variance

    def predict(self) -> None:
        transition = np.diag([1.0, self.s.deviation_persistence])
        self.state = transition @ self.state
        steps = np.diag([self.s.level_variance, self.s.deviation_variance])
        self.covariance = transition @ self.covariance @ transition.T + steps

    def expected(self, season: float, month: int, common: float) -> float:
        return float(self.state.sum() + self.amplitude * season + self.own_season[month] + common)

    def spread(self, counting: float) -> float:
        observed = np.ones(2)
        return float(np.sqrt(observed @ self.covariance @ observed + counting + self.s.noise_variance))

    def learn(self, surprise: float, counting: float, month: int, season: float) -> None:
        spread, noise = self.spread(counting), counting + self.s.noise_variance
        if self.months_seen > 0:
            # One Bayesian regression of the surprise on the season: precisions add up.
            precision = 1 / max(self.amplitude_variance, 1e-300) + season**2 / spread**2
            cut = float(np.clip(surprise, -3 * spread, 3 * spread))
            self.amplitude += season * cut / spread**2 / precision
            self.amplitude_variance = 1 / precision
            weight = self.s.noise_variance / noise
            self.own_weight[month] += weight
            gain = weight / (self.own_weight[month] + self.s.own_season_months)
            self.own_season[month] += gain * float(np.clip(surprise, -3 * spread, 3 * spread))
        if self.months_seen > 0 and abs(surprise) > self.s.jump_threshold * spread:
            self.covariance = self.covariance + np.diag([surprise**2, 0.0])
        else:
            clip = self.s.clip_threshold * spread
            surprise = float(np.clip(surprise, -clip, clip))
        observed = np.ones(2)
        total = observed @ self.covariance @ observed + noise
        gain_vector = self.covariance @ observed / total
        self.state = self.state + gain_vector * surprise
        self.covariance = self.covariance - np.outer(gain_vector, observed @ self.covariance)
        self.months_seen += 1


def slow_filter(
    values: FloatArray,
    counting: FloatArray,
    type_mean: FloatArray,
    season: FloatArray,
    calendar: IntArray,
    s: FilterSettings,
) -> dict[str, FloatArray]:
    n_studios, n_months = values.shape
    studios = [SlowStudio(s, float(mean)) for mean in type_mean]
    found = {name: np.full(values.shape, np.nan) for name in SAME}
    found["common"] = np.zeros((1, n_months))
    common = 0.0
    for t in range(n_months):
        month = int(calendar[t])
        common *= s.common_persistence
        for studio in studios:
            studio.predict()
        here = [i for i in range(n_studios) if np.isfinite(values[i, t])]
        for i in here:
            found["surprise"][i, t] = values[i, t] - studios[i].expected(season[i, month], month, common)
        moved = _market_move(studios, here, found["surprise"][:, t], counting[:, t], s)
        common += moved
        for i in here:
            own = float(found["surprise"][i, t]) - moved
            studios[i].learn(own, float(counting[i, t]), month, float(season[i, month]))
        for i, studio in enumerate(studios):
            found["level"][i, t] = studio.state[0] if studio.months_seen else np.nan
            found["deviation"][i, t] = studio.state[1]
            found["own_season"][i, t] = studio.own_season[month]
            found["amplitude"][i, t] = studio.amplitude
        found["common"][0, t] = common
    return found


def _market_move(
    studios: list[SlowStudio], here: list[int], surprise: FloatArray, counting: FloatArray, s: FilterSettings
) -> float:
    settled = [i for i in here if studios[i].months_seen > 0]
    if len(settled) < 8:
        return 0.0
    spreads = {i: studios[i].spread(float(counting[i])) for i in settled}
    weight = {i: 1 / spreads[i] ** 2 for i in settled}
    cut = {i: float(np.clip(surprise[i], -3 * spreads[i], 3 * spreads[i])) for i in settled}
    return s.common_gain * sum(weight[i] * cut[i] for i in settled) / sum(weight.values())


def random_flow(seed: int, n_studios: int = 12, n_months: int = 30) -> tuple[FloatArray, ...]:
    """Values with gaps, a late start, outliers, a jump, a studio without a month; and what goes with them."""
    rng = np.random.default_rng(seed)
    values = (
        rng.normal(0, 0.1, (n_studios, n_months)).cumsum(1) + rng.normal(0, 0.3, (n_studios, n_months)) + 2
    )
    values[rng.random(values.shape) < 0.02] += 5.0
    values[2, 15:] += 3.0
    values[rng.random(values.shape) < 0.15] = np.nan
    values[0, :10] = np.nan
    values[1] = np.nan
    counting = rng.uniform(0, 0.1, values.shape)
    return values, counting, rng.normal(2, 0.2, n_studios), rng.normal(0, 0.2, (n_studios, 12))


def same(states: FilterStates, layer: int, slow: dict[str, FloatArray]) -> None:
    for name in SAME:
        np.testing.assert_allclose(getattr(states, name)[layer], slow[name], atol=1e-9, err_msg=name)
    np.testing.assert_allclose(states.common[layer], slow["common"][0], atol=1e-9)


@given(st.integers(0, 10**6))
@settings(max_examples=8, deadline=None)
def test_it_is_the_slow_twin(seed: int) -> None:
    values, counting, type_mean, season = random_flow(seed)
    calendar = (np.arange(values.shape[1]) + seed) % 12
    states = run_filters(FlowSeries(values, counting), type_mean, season, calendar, [QUIET, PLAIN])
    for layer, s in enumerate((QUIET, PLAIN)):
        same(states, layer, slow_filter(values, counting, type_mean, season, calendar, s))


def test_a_forecast_is_the_sum_of_its_parts() -> None:
    values, counting, type_mean, season = random_flow(3)
    calendar = np.arange(values.shape[1]) % 12
    states = run_filters(FlowSeries(values, counting), type_mean, season, calendar, [PLAIN])
    path = np.arange(12.0)[None]
    forecast = project(states, np.array([4]), np.array([29]), path, PLAIN)[0]
    for h in range(1, 13):
        expected = (
            states.level[0, 4, 29]
            + states.deviation[0, 4, 29] * 0.7**h
            + states.common[0, 29] * 0.9**h
            + states.drift[0, 4, 29] * sum(0.8**k for k in range(1, h + 1))
            + states.amplitude[0, 4, 29] * path[0, h - 1]
            + states.own_season[0, 4, 29 + h - 12]
        )
        assert forecast[h - 1] == pytest.approx(expected)
    # The second studio has no month.
    assert np.isnan(project(states, np.array([1]), np.array([29]), path, PLAIN)).all()


def test_drift_is_the_yearly_change_of_the_level_and_waits_for_a_year() -> None:
    steps = 0.02 * np.arange(40)
    values = np.stack([steps, -steps])
    own = replace(QUIET, own_drift_share=1.0, level_variance=0.1)
    flow = FlowSeries(values, np.zeros((2, 40)))
    states = run_filters(flow, np.zeros(2), np.zeros((2, 12)), np.arange(40) % 12, [own])
    assert (states.drift[0, :, :12] == 0).all()
    np.testing.assert_allclose(states.drift[0, :, -1], [0.02, -0.02], rtol=0.05)
    pooled = run_filters(
        flow, np.zeros(2), np.zeros((2, 12)), np.arange(40) % 12, [replace(own, own_drift_share=0.0)]
    )
    np.testing.assert_allclose(pooled.drift[0, :, -1], 0.0, atol=1e-12)
