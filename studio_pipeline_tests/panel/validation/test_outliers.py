from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.panel.validation.outliers import (
    out_of_proportion,
    over_few_months,
    over_members_times_ticket,
)

MONEY = ["total_revenue", "membership_revenue", "class_pack_revenue", "retail_revenue", "upsell_revenue"]


def _frame(revenue, members=None, **columns):
    n = len(revenue)
    frame = pd.DataFrame({"studio_id": "a", "month_year": pd.date_range("2018-01", periods=n, freq="MS")})
    frame["total_revenue"] = np.asarray(revenue, dtype=float)
    frame["total_members"] = np.nan if members is None else np.asarray(members, dtype=float)
    for name in ("avg_ticket_price", "total_classes_held", "total_class_attendance"):
        frame[name] = columns.get(name, np.full(n, np.nan))
    return frame


def _found(frame, files=None, column="total_revenue"):
    order = np.zeros(len(frame), dtype=int) if files is None else np.asarray(files)
    return np.flatnonzero(out_of_proportion(frame, order, column, ValidationConfig())).tolist()


def _season(n, factor):
    """A tourism business: `factor` between its best and its worst month."""
    return 1000 * np.exp(np.log(factor) * (1 - np.cos(2 * np.pi * np.arange(n) / 12)) / 2)


STEADY = 10_000 * np.random.default_rng(3).lognormal(0, 0.25, 36)
BUSY = np.r_[np.full(5, 1.0), 20.0, 20.0, np.full(5, 1.0)] * 1000
VOLATILE = {
    "season of 20": _season(36, 20),
    "season of 20, first year": _season(10, 20),
    "season of 20, two busy months, three years": np.tile(BUSY, 3),
    "two busy months, first year": BUSY,
    "growing a thousandfold": np.geomspace(100, 100_000, 36),
    "shrinking a thousandfold": np.geomspace(100_000, 100, 36),
    "closed and open again": np.r_[STEADY[:20], np.zeros(4), STEADY[20:]],
    "almost closed and open again": np.r_[STEADY[:20], np.full(8, 50.0), STEADY[20:]],
    "almost closed, open again in the last month": np.r_[STEADY[:20], np.full(8, 50.0), 10_000],
    "closing down": np.r_[STEADY, 500.0, 20.0],
    "never open": np.zeros(12),
    "two months": np.array([100.0, 100_000.0]),
}


@pytest.mark.parametrize("name", VOLATILE)
def test_real_volatility_is_let_through(name):
    revenue = VOLATILE[name]
    members = np.maximum(revenue / 100, 1)
    assert _found(_frame(revenue)) == []
    assert _found(_frame(revenue, members)) == []
    assert _found(_frame(revenue, members), column="total_members") == []
    assert _found(_frame(revenue, np.full(len(revenue), 300.0))) == [], "members may stay while revenue moves"


@pytest.mark.parametrize("name", ["season of 20", "season of 20, two busy months, three years"])
@pytest.mark.parametrize("files", ["one", "monthly", "yearly"])
def test_seasons_are_let_through_however_the_files_are_cut(name, files):
    revenue = VOLATILE[name]
    months = np.arange(len(revenue))
    order = {"one": months * 0, "monthly": months, "yearly": months // 12}[files]
    assert _found(_frame(revenue), order) == []


@pytest.mark.parametrize("at", [0, 1, 17, 34, 35])
@pytest.mark.parametrize("with_members", [True, False])
def test_money_times_100_in_one_month_is_found(at, with_members):
    revenue = STEADY.copy()
    revenue[at] *= 100
    members = np.full(36, 90.0) if with_members else None
    assert _found(_frame(revenue, members)) == [at]
    if at >= 3:
        assert _found(_frame(revenue, members), np.arange(36)) == [at], "in a file of its own, too"


@pytest.mark.parametrize("at", [0, 6, 12, 18, 30])
def test_money_times_100_is_found_in_any_season_where_members_are_known(at):
    revenue = _season(36, 20)
    members = revenue / 50
    revenue[at] *= 100
    assert _found(_frame(revenue, members)) == [at]


def _wrong(values, at, factor=100.0):
    """Values of which those at some places are so many times what they should be."""
    values = np.array(values, dtype=float)
    values[at] *= factor
    return values


LATE = slice(24, 36)
CENTS, PEOPLE, BUSY_ROOMS = _wrong(STEADY, LATE), np.full(36, 90.0), np.full(36, 900.0)
TWO_FILES = np.repeat([0, 1], [24, 12])
GROWING = np.geomspace(100, 100_000, 36)
WRONG = {
    "several months, none of which hides another": (_frame(_wrong(STEADY, [5, 6, 20])), [5, 6, 20], {}),
    "a change of unit inside a file": (_frame(_wrong(STEADY, slice(30, 36)), PEOPLE), range(30, 36), {}),
    "a growing studio whose members are known": (_frame(_wrong(GROWING, 2), GROWING / 50), [2], {}),
    "a whole file after right ones": (_frame(CENTS), range(24, 36), {"files": TWO_FILES}),
    "the same with members": (_frame(CENTS, PEOPLE), range(24, 36), {"files": TWO_FILES}),
    "a hundredth": (_frame(_wrong(STEADY, 10, 0.01), total_class_attendance=BUSY_ROOMS), [10], {}),
    "a hundredth while it was closed": (
        _frame(_wrong(STEADY, 10, 0.01), total_class_attendance=_wrong(BUSY_ROOMS, 10, 0.005)), [], {},
    ),
    "a hundredth, and nothing tells that it was open": (_frame(_wrong(STEADY, 10, 0.01)), [], {}),
    "members": (_frame(STEADY, _wrong(PEOPLE, 7)), [7], {"column": "total_members"}),
    "revenue of such members, which is right": (_frame(STEADY, _wrong(PEOPLE, 7)), [], {}),
    "a ticket in cents": (
        _frame(STEADY, avg_ticket_price=_wrong(np.full(36, 120.0), 3)), [3], {"column": "avg_ticket_price"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_and_nothing_else(name):
    frame, places, judged = WRONG[name]
    assert _found(frame, **judged) == list(places)


def test_a_new_studio_is_judged_by_what_its_members_pay_and_only_where_they_stayed():
    def found(revenue, members, **columns):
        frame = _frame(revenue, members, **columns)
        return np.flatnonzero(over_few_months(frame, ValidationConfig())).tolist()

    assert found([20_000, 2_000_000], [200, 210]) == [1]
    assert found([2_000_000, 20_000, 21_000], [200, 210, 190]) == [0]
    assert found([20_000, 500_000], [200, 210]) == [], "25 times"
    assert found([100, 100_000], [1, 1000]) == [], "its members came"
    assert found([100, 100_000], [30, 100]) == [], "its members came"
    assert found([100, 100_000], [np.nan, 100]) == []
    assert found([0, 100_000], [100, 100]) == [], "it opened"
    opened = np.array([20.0, 900.0])
    assert found([100, 100_000], [100, 100], total_class_attendance=opened) == [], "it opened"
    assert found([100, 100, 100, 100_000], [100] * 4) == [], "enough months for the other rules"


def test_revenue_times_100_in_every_month_is_found_by_members_times_ticket():
    right = _frame(STEADY, STEADY / 100, avg_ticket_price=np.full(36, 100.0))
    one_file = np.zeros(36, int)
    assert not over_members_times_ticket(right, one_file, ValidationConfig()).any()
    wrong = right.assign(total_revenue=right["total_revenue"] * 100)
    assert over_members_times_ticket(wrong, one_file, ValidationConfig()).all()
    closing = right.assign(total_members=np.r_[np.full(35, 90.0), 0.5])
    assert not over_members_times_ticket(closing, one_file, ValidationConfig()).any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.2, 5), min_size=4, max_size=40), st.floats(1e-3, 1e6), st.integers(0, 5))
def test_months_within_a_factor_of_25_are_never_out_of_proportion_in_any_currency(shape, scale, files):
    revenue = np.array(shape) * scale
    order = np.arange(len(shape)) % (files + 1)
    assert _found(_frame(revenue), order) == []


def _times_100(months):
    return months.assign(**{name: months[name] * 100 for name in MONEY})


@pytest.fixture
def validated_after(landing, now):
    """What becomes of two files of which one came a day after the other."""

    def validated(first, first_months, second, second_months):
        landing.put_frame(first, first_months)
        landing.read(now)
        landing.put_frame(second, second_months)
        return landing.validate(now + timedelta(days=1))

    return validated


def test_a_file_that_corrects_a_whole_file_in_wrong_units_is_accepted(validated_after, make_months):
    months = make_months()
    validated = validated_after("cents.csv", _times_100(months), "right.csv", months)
    assert validated.rejected.empty
    assert validated.frame["total_revenue"].tolist() == months["total_revenue"].tolist()
    assert len(validated.warnings) == len(months)
    assert "replaces a value of cents.csv" in validated.warnings["reason"].iloc[0]


def test_a_file_in_cents_that_contradicts_an_earlier_one_is_rejected_by_name(validated_after, make_months):
    months = make_months()
    validated = validated_after("right.csv", months, "cents.csv", _times_100(months))
    assert validated.rejected_rows == len(months)
    assert set(validated.rejected["file"]) == {"cents.csv"}
    remedy = "or if right.csv, which has another value here, is the wrong one, correct or remove it"
    assert validated.rejected["reason"].str.endswith(remedy).all()
    assert validated.frame["total_revenue"].tolist() == months["total_revenue"].tolist()


def test_a_correction_of_one_month_to_a_hundredth_is_still_found(validated_after, make_months):
    months = make_months()
    one = months.iloc[[5]].assign(**{name: months[name] / 100 for name in MONEY})
    validated = validated_after("right.csv", months, "one.csv", one)
    assert validated.rejected["file"].tolist() == ["one.csv"]


def test_the_whole_validation_names_the_cells(landing, make_months):
    months = make_months()
    wrong = months.index[(months["studio_id"] == "studio-00002")][[4]]
    months.loc[wrong, MONEY] *= 100
    alone = months.index[(months["studio_id"] == "studio-00003")][[9]]
    months.loc[alone, "total_revenue"] *= 100
    landing.put_frame("months.csv", months)
    validated = landing.validate()
    found = validated.rejected[["line", "studio_id", "column"]].to_numpy().tolist()
    assert found == [
        [wrong[0] + 2, "studio-00002", "total_revenue"],
        [alone[0] + 2, "studio-00003", "total_revenue"],
    ]
    values = months.loc[[wrong[0], alone[0]], "total_revenue"]
    assert validated.rejected["value"].tolist() == [*map(str, values)]
    assert len(validated.frame) == len(months) - 2
