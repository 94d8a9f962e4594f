import math
from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline.panel.validation.validation import gaps_in, rejected_share_by_month

PARTS = ("membership_revenue", "class_pack_revenue", "retail_revenue", "upsell_revenue", "other_revenue")
HEAD = "studio_id,month_year,total_revenue,total_members,retention_rate,class_attendance_rate\n"


def _found(table):
    return list(table[["line", "column", "value", "reason"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        ("a,2024-01,abc,10,,", "total_revenue", "abc", "is not a number"),
        ("a,2024-01,-5,10,,", "total_revenue", "-5", "is negative"),
        ("a,2024-01,inf,10,,", "total_revenue", "inf", "is infinite"),
        ("a,2024-01,,10,,", "total_revenue", "", "is missing"),
        ("a,2024-01,5,-10,,", "total_members", "-10", "is negative"),
        ("a,2024-01,5,10,93,", "retention_rate", "93", "looks like a percentage"),
        ("a,2024-01,5,10,1.1,", "retention_rate", "1.1", "is above 1"),
        (",2024-01,5,10,,", "studio_id", "", "is missing"),
        ("a,,5,10,,", "month_year", "", "is missing"),
        ("a,01/2024,5,10,,", "month_year", "01/2024", "is not a month"),
        ("a,2024-07,5,10,,", "month_year", "2024-07", "lies in the future: today is 2024-06-15"),
        ("a,2024-01,1.1e12,10,,", "total_revenue", "1.1e12", "is beyond any studio's"),
        ("a,2024-01,5,1000000001,,", "total_members", "1000000001", "is beyond any studio's"),
        ("a,1900-01,5,10,,", "month_year", "1900-01", "lies before 1970"),
        ("a,2024-01,5,10,,,,", "malformed_row", "a,2024-01,5,10,,,,", "as many fields as the header"),
    ],
)
def test_a_bad_row_is_rejected_and_the_others_go_on(landing, row, column, value, reason):
    validated = landing.validated(HEAD + "b,2024-01,5,10,0.9,0.5\n" + row + "\nb,2024-02,5,10,0.9,0.5\n")
    assert validated.frame["studio_id"].tolist() == ["b", "b"]
    assert validated.rejected_rows == 1
    assert len(validated.rejected) == 1
    found = validated.rejected.iloc[0]
    assert (found["file"], found["line"], found["column"], found["value"]) == ("months.csv", 3, column, value)
    assert reason in found["reason"]


def test_a_row_with_several_faults_keeps_them_all(landing):
    validated = landing.validated(HEAD + "a,2024-07,-5,x,93,\n")
    assert validated.rejected_rows == 1
    columns = ["month_year", "retention_rate", "total_members", "total_revenue"]
    assert validated.rejected["column"].tolist() == columns
    assert validated.rejected["studio_id"].eq("a").all()


@pytest.mark.parametrize(
    ("rate", "kept", "told"),
    [
        ("0.7", 0.7, None),
        ("1", 1.0, None),
        ("1.04", 1.0, "kept as 1"),
        ("1.2", 1.0, "kept as 1"),
        ("1.3", None, "emptied: above 1.2"),
        ("97", None, "emptied: looks like a percentage"),
    ],
)
def test_attendance_above_1(landing, rate, kept, told):
    validated = landing.validated(HEAD + f"a,2024-01,5,10,,{rate}\n")
    assert validated.rejected.empty
    expected = np.nan if kept is None else kept
    np.testing.assert_equal(validated.frame["class_attendance_rate"].tolist(), [expected])
    assert len(validated.warnings) == (told is not None)
    if told:
        warning = validated.warnings.iloc[0]
        assert warning[["line", "column", "value"]].tolist() == [2, "class_attendance_rate", rate]
        assert told in warning["reason"]


def test_derived_columns(landing):
    frame = landing.validated(
        "studio_id,month_year,total_revenue,membership_revenue,total_members,churned_members,total_classes_held,"
        "total_class_attendance,class_attendance_rate,class_capacity\n"
        "a,2024-01,1000,800,100,,10,150,,30\n"  # seats given: the rate follows
        "a,2024-02,1000,,80,30,10,120,0.5,\n"  # rate given: the seats follow, 120 / (10 x 0.5)
        "a,2024-03,1000,800,0,8,0,0,,\n"  # nobody, and no class
        "a,2024-05,1000,800,50,8,10,260,,\n"  # the month before is missing
        "b,2024-02,1000,,10,20,10,150,,\n"
    ).frame
    nan = np.nan
    expected = {
        "avg_ticket_price": [8, 12.5, nan, 16, 100],
        "retention_rate": [nan, 0.7, 0.9, nan, nan],
        "class_capacity": [30, 24, 27, 27, 20],
        "class_attendance_rate": [0.5, 0.5, nan, 260 / 270, 0.75],
    }
    for column, values in expected.items():
        np.testing.assert_allclose(frame[column], values, err_msg=column)


def test_more_churn_than_there_were_members_is_emptied_and_told(landing):
    validated = landing.validated(
        "studio_id,month_year,total_revenue,total_members,new_members,churned_members\n"
        "b,2024-01,1000,100,,\n"
        "b,2024-02,1000,100,5,210\n"
        "a,2024-01,1000,100,0,900\n"  # nobody knows how many there were
        "a,2024-02,1000,100,5,105\n"  # everybody left, and the new ones, too
        "a,2024-03,1000,100,5,106\n"
        "a,2024-05,1000,100,5,106\n"
    )
    assert validated.rejected.empty
    before = "emptied: more than the 100 members of the month before and the month's new ones"
    assert _found(validated.warnings) == [
        (3, "churned_members", "210", before),
        (6, "churned_members", "106", before),
    ]
    assert validated.frame["studio_id"].tolist() == ["a"] * 4 + ["b"] * 2
    nan = np.nan
    np.testing.assert_equal(validated.frame["churned_members"].tolist(), [900, 105, nan, 106, nan, nan])
    assert validated.frame["retention_rate"].isna().all()


def test_a_derived_attendance_far_above_1_is_left_empty_and_told(landing):
    validated = landing.validated(
        "studio_id,month_year,total_revenue,total_classes_held,total_class_attendance,class_capacity\n"
        "b,2024-01,1000,100,2400,20\nb,2024-02,1000,100,2600,20\na,2024-01,1000,100,1000,20\n"
    )
    np.testing.assert_equal(validated.frame["class_attendance_rate"].tolist(), [0.5, 1.0, np.nan])
    told = "left empty: attendance over classes x seats is above 1.2"
    assert _found(validated.warnings) == [(3, "class_attendance_rate", None, told)]


def test_what_is_given_is_not_derived_again(landing):
    frame = landing.validated(
        "studio_id,month_year,total_revenue,total_members,churned_members,retention_rate,avg_ticket_price\n"
        "a,2024-01,1000,100,5,0.99,7\na,2024-02,1000,100,5,0.99,7\n"
    ).frame
    assert frame["retention_rate"].tolist() == [0.99, 0.99]
    assert frame["avg_ticket_price"].tolist() == [7, 7]


@pytest.mark.parametrize(
    ("total", "other", "expected", "warned", "rejected"),
    [
        (1000, "", 0, False, False),
        (1009, "", 0, False, False),
        (1100, "", 100, True, False),
        (1100, "100", 100, False, False),
        (1100, "40", 100, True, False),
        (995, "", 0, False, False),
        (900, "", None, False, True),
        (1000, "100", None, False, True),
        (1000, "-50", 0, True, False),
    ],
)
def test_the_remainder_of_revenue(landing, total, other, expected, warned, rejected):
    validated = landing.validated(
        "studio_id,month_year,membership_revenue,class_pack_revenue,retail_revenue,upsell_revenue,other_revenue,"
        f"total_revenue\na,2024-01,700,100,100,100,{other},{total}\n"
    )
    assert validated.rejected["column"].tolist() == ["total_revenue"] * rejected
    assert validated.warnings["column"].tolist() == ["other_revenue"] * warned
    assert validated.frame["other_revenue"].tolist() == ([] if rejected else [expected])


@pytest.mark.parametrize("given", [c for n in range(6) for c in combinations(PARTS, n)])
def test_every_partial_split_is_completed(landing, given):
    amounts = dict(zip(PARTS, ("600", "150", "100", "50", "40"), strict=True))
    row = {"studio_id": "a", "month_year": "2024-01", "total_revenue": "940"}
    row |= {name: amounts[name] for name in given}
    text = f"{','.join(row)}\n{','.join(row.values())}\n"
    too_little = landing.validated(text.replace("940", "30"))
    assert too_little.rejected["column"].tolist() == ["total_revenue"] * bool(given)
    validated = landing.validated(text)
    (found,) = validated.frame[list(PARTS)].to_dict("records")
    if not given:
        assert all(math.isnan(amount) for amount in found.values())
        return
    assert sum(amount for amount in found.values() if not math.isnan(amount)) == pytest.approx(940)
    filled = "other_revenue" if "membership_revenue" in given else "membership_revenue"
    for name in given:
        if name != filled:
            assert found[name] == float(amounts[name])
    assert validated.warnings["column"].tolist() == ["other_revenue"] * (given == PARTS[:4])


@pytest.mark.parametrize("packs", [9999.5, 10000, 10001])
def test_where_other_parts_are_all_of_it_there_is_no_price(landing, packs):
    frame = landing.validated(
        "studio_id,month_year,total_members,class_pack_revenue,total_revenue\n"
        + "".join(f"a,2024-0{month},100,{packs},10000\n" for month in (1, 2))
    ).frame
    assert frame["membership_revenue"].tolist() == [0.0, 0.0]
    assert frame["avg_ticket_price"].isna().all()


def test_a_month_said_twice_in_a_file(landing):
    validated = landing.validated(
        HEAD
        + "a,2024-01,5,10,,\n a ,2024-01-01,5,10,,\na,2024-02,5,10,,\na,2024-02,6,10,,\na,2024-03,5,10,,\n"
        + "b,2024-03,5,10,,\nb,2024-03,5,10,,\nc,2024-01,5,10,,\nc,2024-01-31,6,10,,\n"
    )
    different = "the file has different rows for this month, in lines {}: keep one".format
    assert [(line, reason) for line, _, _, reason in _found(validated.rejected)] == [
        (3, "repeats line 2, which counts"),
        (4, different("4, 5")),
        (5, different("4, 5")),
        (8, "repeats line 7, which counts"),
        (9, different("9, 10")),
        (10, different("9, 10")),
    ]
    assert validated.frame["studio_id"].tolist() == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("first", "second", "kept", "rejected", "replaced"),
    [(5, -6, 5, ["b.csv"], 0), (-5, 6, 6, [], 1)],
    ids=["a bad correction", "a good one"],
)
def test_a_correction_counts_if_it_is_good(landing, first, second, kept, rejected, replaced):
    landing.put("a.csv", HEAD + f"a,2024-01,{first},10,,\n")
    landing.read()
    landing.put("b.csv", HEAD + f"a,2024-01,{second},10,,\n")
    validated = landing.validate()
    assert validated.frame["total_revenue"].tolist() == [kept]
    assert validated.rejected["file"].tolist() == rejected
    assert (validated.rejected_rows, validated.replaced_rows) == (len(rejected), replaced)


def test_the_month_that_is_not_over_is_held_back_to_its_last_day(landing):
    landing.put("months.csv", HEAD + "a,2024-05,5,10,,\na,2024-06,5,10,,\n")
    for day, rows, held_back in ((15, 1, 1), (30, 1, 1)):
        validated = landing.validate(datetime(2024, 6, day, 23, 59, tzinfo=UTC))
        counts = (len(validated.frame), validated.held_back_rows, validated.rejected_rows)
        assert counts == (rows, held_back, 0)
    assert len(landing.validate(datetime(2024, 7, 1, tzinfo=UTC)).frame) == 2


@pytest.mark.parametrize("months", [2, 3])
@pytest.mark.parametrize("files", ["one", "monthly"])
def test_money_times_100_is_found_in_a_new_studio_where_its_members_stayed(landing, months, files):
    rows = [f"a,2024-0{m},{20000 + m},{200 + m},,\n" for m in range(1, months)]
    rows.append(f"a,2024-0{months},2000000,200,,\n")
    for number, part in enumerate(["".join(rows)] if files == "one" else rows):
        landing.put(f"{number}.csv", HEAD + part)
    validated = landing.validate()
    assert validated.rejected[["column", "value"]].to_numpy().tolist() == [["total_revenue", "2000000"]]
    assert len(validated.frame) == months - 1


def test_gaps_are_told(landing):
    rows = "a,2023-11,5,10,,\na,2024-02,5,10,,\na,2024-03,5,10,,\nb,2024-05,5,10,,\n"
    ((studio, first, last, months),) = gaps_in(landing.validated(HEAD + rows).frame).itertuples(index=False)
    assert (studio, months) == ("a", 2)
    assert (first, last) == (pd.Timestamp("2023-12-01"), pd.Timestamp("2024-01-01"))


def test_the_rejected_share_counts_rows_by_month(landing):
    good = "".join(f"s{i},2024-01,5,10,,\n" for i in range(18))
    bad = "x,2024-01,-5,-10,,\ny,2024-02,5,10,,\nz,2024-02,-5,10,,\nz,never,5,10,,\n"
    validated = landing.validated(HEAD + good + bad)
    share = rejected_share_by_month(validated.frame, validated.rejected)
    assert share["month_year"].tolist()[:2] == [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-02-01")]
    assert share["month_year"].isna().tolist() == [False, False, True]
    assert share[["rows", "rejected"]].to_numpy().tolist() == [[19, 1], [2, 1], [22, 1]]
    np.testing.assert_allclose(share["share"], [1 / 19, 1 / 2, 1 / 22])
    assert (share["share"] > ValidationConfig().largest_rejected_share).tolist() == [True, True, False]


@pytest.mark.parametrize("month", ["2027-01", "1907-01", "2024-06", "2024-05"])
def test_a_row_of_no_month_that_counts_is_no_month_of_its_own(landing, month):
    good = "".join(f"s{i},2024-04,5,10,,\n" for i in range(20))
    validated = landing.validated(HEAD + good + f"x,{month},-5,10,,\n")
    assert validated.rejected_rows == (month != "2024-06")
    share = rejected_share_by_month(validated.frame, validated.rejected)
    assert (share["share"] <= ValidationConfig().largest_rejected_share).all()


def test_a_newest_month_that_is_rejected_as_a_whole_still_shows(landing):
    rows = "".join(f"s{i},2024-04,5,10,,\ns{i},2024-05,-5,10,,\n" for i in range(20))
    validated = landing.validated(HEAD + rows)
    share = rejected_share_by_month(validated.frame, validated.rejected)
    assert share["share"].tolist() == [0.0, 0.5]


def test_the_largest_numbers_are_limits(landing):
    landing.put("months.csv", HEAD + "a,2024-01,1e12,1e9,,\n")
    assert landing.validate().rejected.empty
    assert len(landing.validate(limits=ValidationConfig(largest_money=1e11)).rejected) == 1
    assert len(landing.validate(limits=ValidationConfig(largest_count=1e8)).rejected) == 1
