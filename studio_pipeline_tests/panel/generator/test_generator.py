"""What is true of every synthetic fleet, whatever its options."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from studio_pipeline.panel.columns import COLUMNS
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import HELD_BOUNDS, STUDIO_TYPES, GeneratorConfig

SOURCES = ["membership_revenue", "class_pack_revenue", "retail_revenue", "upsell_revenue"]
LEVER_COLUMNS = {
    lever: {"new_members_monthly": "new_members", "current_member_count": "total_members"}.get(lever, lever)
    for lever in HELD_BOUNDS
}

a_type = st.sampled_from([*STUDIO_TYPES, "Theatre", "Boxing"])
some_types = st.lists(a_type, min_size=1, max_size=5, unique=True)
some_options = st.builds(
    GeneratorConfig,
    studios=st.integers(1, 12),
    months=st.integers(1, 80),
    types=some_types.map(tuple),
    seed=st.integers(0, 2**63 - 1),
    last_month=st.sampled_from(["2019-12", "2020-06", "2022-02", "2024-12"]),
    shock=st.booleans(),
    vary=st.booleans(),
)


@pytest.fixture(scope="module")
def fleet() -> pd.DataFrame:
    return generate_months(GeneratorConfig())


@pytest.fixture(scope="module")
def long_calm_fleet() -> pd.DataFrame:
    return generate_months(GeneratorConfig(studios=300, months=72, shock=False))


@settings(max_examples=60, deadline=None)
@given(options=some_options)
def test_every_month_is_there_adds_up_and_stays_inside_its_bounds(options: GeneratorConfig) -> None:
    months = generate_months(options)
    assert len(months) == options.studios * options.months
    assert not months.isna().any().any()
    assert list(months.columns) == [c.name for c in COLUMNS if c.name != "other_revenue"]
    assert months.equals(months.sort_values(["studio_id", "month_year"]))
    last = months.groupby("studio_id")["month_year"].max()
    assert (last == pd.Timestamp(options.last_month)).all()
    cents = (100 * months[[*SOURCES, "total_revenue"]]).round()
    assert (100 * months[[*SOURCES, "total_revenue"]] - cents).abs().max().max() < 1e-6
    assert (cents[SOURCES].sum(axis=1) == cents["total_revenue"]).all()
    paid = (100 * months["avg_ticket_price"]).round() * months["total_members"]
    assert (paid == cents["membership_revenue"]).all()
    # Stock and flow hold to the head.
    before = months["total_members"] + months["churned_members"] - months["new_members"]
    previous = months.groupby("studio_id")["total_members"].shift()
    assert (before == previous)[previous.notna()].all()
    assert np.allclose(months["retention_rate"], 1 - months["churned_members"] / before, atol=1e-6)
    seats = months["total_classes_held"] * months["class_capacity"]
    assert np.allclose(months["class_attendance_rate"], months["total_class_attendance"] / seats, atol=1e-6)
    for lever, (low, high) in HELD_BOUNDS.items():
        assert months[LEVER_COLUMNS[lever]].between(low, high).all(), lever
    assert (months["staff_count"] >= 3).all()


@settings(max_examples=25, deadline=None)
@given(options=some_options, more=st.integers(1, 9))
def test_a_studio_does_not_depend_on_those_after_it(options: GeneratorConfig, more: int) -> None:
    larger = generate_months(options.model_copy(update={"studios": options.studios + more}))
    first = larger.iloc[: options.studios * options.months]
    pd.testing.assert_frame_equal(generate_months(options), first, check_exact=True)


@settings(max_examples=25, deadline=None)
@given(options=some_options, more=st.integers(1, 24))
def test_later_months_leave_earlier_ones_alone(options: GeneratorConfig, more: int) -> None:
    last = str(np.datetime64(options.last_month, "M") + more)
    longer = generate_months(options.model_copy(update={"months": options.months + more, "last_month": last}))
    earlier = longer[longer["month_year"] <= options.last_month].reset_index(drop=True)
    pd.testing.assert_frame_equal(generate_months(options), earlier, check_exact=True)


def test_the_same_options_give_the_same_frame_and_no_global_seed_matters(fleet: pd.DataFrame) -> None:
    np.random.seed(1)  # noqa: NPY002 - shown not to matter
    again = generate_months(GeneratorConfig())
    pd.testing.assert_frame_equal(fleet, again, check_exact=True)
    assert not fleet.equals(generate_months(GeneratorConfig(seed=8)))
    alone = generate_months(GeneratorConfig(studios=1, types=("Yoga",)))
    pd.testing.assert_frame_equal(alone, fleet.iloc[:60], check_exact=True)


def test_no_studio_is_pinned_to_a_floor_or_a_ceiling(fleet: pd.DataFrame) -> None:
    for lever, (low, high) in HELD_BOUNDS.items():
        values = fleet[LEVER_COLUMNS[lever]]
        pinned = ((values <= low) | (values >= high)).groupby(fleet["studio_id"]).mean()
        assert pinned.max() < 0.15, lever
        assert pinned.mean() < 0.01, lever


def test_studios_are_plausible(fleet: pd.DataFrame) -> None:
    typical = fleet.groupby("studio_id").median(numeric_only=True)
    assert typical["total_members"].between(70, 900).all()
    assert typical["avg_ticket_price"].between(55, 270).all()
    assert typical["retention_rate"].between(0.86, 0.98).all()
    assert typical["total_revenue"].between(5_000, 180_000).all()
    revenue_per_member = typical["total_revenue"] / typical["total_members"]
    assert (revenue_per_member / typical["avg_ticket_price"]).between(1.03, 1.5).all()
    long = generate_months(GeneratorConfig(studios=60, months=240))
    assert long["total_members"].between(50, 1400).all()
    assert long["avg_ticket_price"].between(50, 500).all()


def test_types_differ_in_price_season_size_and_growth(long_calm_fleet: pd.DataFrame) -> None:
    by_type = long_calm_fleet.groupby("studio_type")
    ticket = by_type["avg_ticket_price"].mean()
    assert ticket["Pilates"] > 1.15 * ticket["Cycling"] > 1.15 * 1.15 * ticket["Dance"]
    assert by_type["retention_rate"].mean()["CrossFit"] > by_type["retention_rate"].mean()["Cycling"] + 0.02
    assert by_type["total_members"].mean()["Cycling"] > 1.2 * by_type["total_members"].mean()["CrossFit"]
    month = long_calm_fleet["month_year"].dt.month
    season = long_calm_fleet.groupby(["studio_type", month])["new_members"].mean().unstack()
    assert season.loc["Dance"].idxmax() == 9
    assert season.loc["Cycling"].idxmax() == 1
    swings = season.max(axis=1) / season.min(axis=1)
    assert swings["Cycling"] > swings["Pilates"]
    years = long_calm_fleet["month_year"].dt.year
    yearly = long_calm_fleet.groupby(["studio_id", years])["total_members"].mean().unstack()
    growth = yearly.iloc[:, -1] / yearly.iloc[:, 0]
    assert growth.quantile(0.9) > 1.25
    assert growth.quantile(0.1) < 0.9


def test_levers_move_within_studios_at_different_dates(fleet: pd.DataFrame) -> None:
    by_studio = fleet.groupby("studio_id")
    for column, spread in {"avg_ticket_price": 0.02, "total_classes_held": 0.04, "upsell_rate": 0.03}.items():
        within = np.log(fleet[column]).groupby(fleet["studio_id"]).std()
        assert within.quantile(0.05) > spread, column
    assert (by_studio["staff_count"].nunique() >= 2).mean() > 0.95
    raised = by_studio["avg_ticket_price"].pct_change() > 0.03
    share_by_month = raised.groupby(fleet["month_year"]).mean().iloc[1:]
    assert raised.sum() > 200
    assert share_by_month.max() < 0.3
    assert (by_studio["avg_ticket_price"].pct_change() < -0.03).sum() > 20


def test_the_shock_hits_all_and_passes() -> None:
    calm = GeneratorConfig(studios=100, months=72, shock=False)
    without = generate_months(calm).groupby("month_year")["total_members"].sum()
    shock = calm.model_copy(update={"shock": True})
    shocked = generate_months(shock).groupby("month_year")["total_members"].sum()
    ratio = shocked / without
    assert (ratio.loc[:"2020-02"] == 1).all()
    assert 0.5 < ratio.loc["2020-06":"2021-06"].min() < 0.8
    assert 0.93 < ratio.loc["2023-06":].mean() < 1.07


def test_outliers_and_promotions_are_there(long_calm_fleet: pd.DataFrame) -> None:
    by_studio = long_calm_fleet.groupby("studio_id")
    held = by_studio["total_classes_held"]
    usual = held.transform(lambda one: one.rolling(5, center=True, min_periods=3).median())
    flooded = long_calm_fleet["total_classes_held"] < 0.8 * usual
    assert 0.001 < flooded.mean() < 0.01
    new = by_studio["new_members"]
    joined = new.transform(lambda one: one.rolling(13, center=True, min_periods=6).median())
    assert ((long_calm_fleet["new_members"] > 2 * joined) & (joined > 15)).sum() > 10


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_held_levers_are_constant(data: st.DataObject) -> None:
    levers = sorted(set(HELD_BOUNDS) - {"current_member_count"})
    levers = data.draw(st.lists(st.sampled_from(levers), min_size=1, unique=True))
    held = {lever: round(data.draw(st.floats(*HELD_BOUNDS[lever])), 2) for lever in levers}
    months = generate_months(GeneratorConfig(studios=4, months=24, held=held))
    before = months["total_members"] + months["churned_members"] - months["new_members"]
    slack = {
        "avg_ticket_price": 0.0,
        "retention_rate": 1 / before.clip(lower=1),
        "class_attendance_rate": 1 / months["total_class_attendance"].clip(lower=1),
        "new_members_monthly": 1.0,
        "staff_utilization_rate": 0.0,
        "upsell_rate": 1 / months["total_members"].clip(lower=1),
        "total_classes_held": 0.5,
    }
    for lever, value in held.items():
        near = (months[LEVER_COLUMNS[lever]] - value).abs() <= slack[lever] + 1e-6
        assert near[before > 0].all(), lever


def test_the_opening_stock_can_be_given() -> None:
    months = generate_months(GeneratorConfig(studios=3, months=1, held={"current_member_count": 321}))
    assert (months["total_members"] + months["churned_members"] - months["new_members"] == 321).all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"studios": 0}, "studios"),
        ({"months": 241}, "months"),
        ({"types": ()}, "types"),
        ({"types": ("Yoga", "Yoga")}, "named twice"),
        ({"types": (" ",)}, "needs a name"),
        ({"last_month": "2024-13"}, "YYYY-MM"),
        ({"last_month": "December"}, "YYYY-MM"),
        ({"last_month": "1971-01"}, "before 1970"),
        ({"held": {"price": 1}}, "no lever 'price'"),
        ({"held": {"avg_ticket_price": 5}}, "50 to 500"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        GeneratorConfig.model_validate(wrong)


def test_a_month_may_be_written_as_its_first_day() -> None:
    assert GeneratorConfig(last_month="2023-05-01").last_month == "2023-05"


def test_the_default_fleet_takes_less_than_half_a_second() -> None:
    start = time.process_time()
    generate_months(GeneratorConfig())
    assert time.process_time() - start < 0.5
