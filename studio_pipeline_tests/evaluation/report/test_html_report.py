"""The report is one valid file that needs no other host, and says what the numbers say."""

import math
import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pandas as pd
import pytest

from studio_pipeline.errors import StorageError
from studio_pipeline.evaluation.formatting import GLOSSARY
from studio_pipeline.evaluation.metrics.metrics import EvaluationReport
from studio_pipeline.evaluation.metrics.prediction_table import LABELS
from studio_pipeline.evaluation.metrics.summary import learner_weight
from studio_pipeline.evaluation.report import drawing, html_report
from studio_pipeline.evaluation.report import model_text as words
from studio_pipeline.evaluation.report.drawing import short_number
from studio_pipeline.evaluation.report.html_report import write_html_report
from studio_pipeline.evaluation.report.response_tables import REGRESSORS
from studio_pipeline.evaluation.report.tables import ModelFrames, error_by_type, error_table, hardest_studios
from studio_pipeline.forecasting.base.hyperparameters import LEARNERS
from studio_pipeline.forecasting.features.formulas import FeatureDescription
from studio_pipeline_tests.evaluation.conftest import predictions_of
from studio_pipeline_tests.evaluation.report.test_figures import assert_picture

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Text, addresses and whether every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.addresses, self.texts, self.alts = (list[str]() for _ in range(4))
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "srcset", "action")]
        self.alts += [value or "" for name, value in attrs if name == "alt"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.replace("\N{NO-BREAK SPACE}", " "))

    @property
    def pictures(self) -> list[bytes]:
        starts = "data:image/png;base64,"
        return [b64decode(a.removeprefix(starts)) for a in self.addresses if a.startswith(starts)]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def inputs(panel_frame, panel_report, model, features, rejected) -> dict[str, object]:
    return {
        "panel_frame": panel_frame,
        "features": features,
        "feature_descriptions": [FeatureDescription("growth", "share", "Growth <b>last</b> month.")],
        "rejected": rejected,
        "report": panel_report,
        "model": model,
        "details": {"decision": "Published: it is good.", "model version": "7", "data version": "3f9a0c"},
    }


@pytest.fixture(scope="module")
def html(inputs: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    write_html_report(path, **inputs)
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


def test_it_is_one_whole_page(html: str) -> None:
    page = Page(html)
    assert page.open == []
    assert html.startswith("<!doctype html>")
    assert all(page.alts)
    assert len(page.alts) >= 18
    for picture in page.pictures:
        assert_picture(picture)


def test_nothing_comes_from_another_host(html: str) -> None:
    page = Page(html)
    assert all(a.startswith(("data:image/png;base64,", "#")) for a in page.addresses)
    without_pictures = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script", without_pictures)


def test_every_link_has_its_section(html: str) -> None:
    links = [address[1:] for address in Page(html).addresses if address.startswith("#")]
    assert len(links) == 12
    assert all(f'id="{name}"' in html for name in links)


def test_it_contains_the_numbers(html: str, panel_report: EvaluationReport) -> None:
    text, summary = Page(html).text, panel_report.summary
    for name in ("revenue_wape_1_ensemble", "revenue_wape_1-12_ensemble", "revenue_coverage_90_1-12"):
        assert f"{100 * summary[name]:.1f} %" in text
    for name in ("members_wape_1-3_core", "retention_wape_1-6_seasonal_naive", "revenue_wape_1_xgboost"):
        assert f"{100 * summary[name]:.2f} %" in text
    assert f"{summary['revenue_business_score_1-3']:.1f}" in text
    rows = panel_report.metrics.query("candidate == 'persistence' and horizon == '1-6'")
    persistence = rows.set_index("target")
    assert f"persistence 480 {short_number(persistence.loc['revenue', 'rmse'])} " in text
    turns = f"{100 * persistence.loc['members', 'direction_from_last']:.1f} %"
    assert f" {persistence.loc['members', 'mase']:.2f} {turns} " in text
    assert "Published: it is good." in text
    assert "3f9a0c" in text
    assert "2,880 forecasts of 10 studios from 8 origins" in text


def test_what_users_gave_is_shown_and_never_run(html: str) -> None:
    assert "<b>last</b>" not in html
    assert "&lt;b&gt;last&lt;/b&gt;" in html
    assert "<img onerror" not in html
    assert "&lt;img onerror" in html


def test_nothing_judged_nothing_claimed(inputs: dict[str, object], tmp_path: Path) -> None:
    report = inputs["report"]
    empty = EvaluationReport.from_predictions(report.predictions.iloc[:0])
    model = inputs["model"]
    no_model = ModelFrames(**{name: frame.iloc[:0] for name, frame in vars(model).items()})
    nothing = {"model": no_model} | {
        name: value.iloc[:0]
        for name, value in inputs.items()
        if isinstance(value, pd.DataFrame) and name != "panel_frame"
    }
    write_html_report(tmp_path / "report.html", **(inputs | nothing | {"report": empty, "details": {}}))
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    for picture in page.pictures:
        assert_picture(picture, colours=2)
    text = page.text
    assert words.NOT_JUDGED in text
    assert "No row was rejected." in text
    assert "beats" not in text
    assert " nan" not in text.lower().replace("seasonal naive", "")


def test_an_unwritable_place_keeps_the_old_report(inputs, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(html_report, "_pictures", lambda *_: {})
    monkeypatch.setattr(html_report, "_template", lambda: jinja2.Template("a report without pictures"))
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    with pytest.raises(StorageError, match=r"Could not write .*report\.html"):
        write_html_report(blocked / "report.html", **inputs)
    folder = tmp_path / "report.html"
    (folder / "kept").mkdir(parents=True)
    with pytest.raises(StorageError):
        write_html_report(folder, **inputs)
    assert (folder / "kept").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "report.html"]


def test_the_verdict_follows_the_numbers() -> None:
    summary = {
        "revenue_versus_persistence_1-12": -0.3,
        "revenue_versus_seasonal_naive_1-12": -0.12,
        "revenue_versus_seasonal_naive_1-12_standard_error": 0.01,
    }
    beats = "Over months 1-12 the ensemble beats the best simple baseline (seasonal naive) by 12.0 %"
    assert words.verdict(summary) == f"{beats}, give or take 2.0 %."
    worse = words.verdict(summary | {"revenue_versus_seasonal_naive_1-12": 0.05})
    assert "does not beat" in worse
    assert "error is larger by 5.0 %" in worse
    assert "chance" not in worse
    close = words.verdict(summary | {"revenue_versus_seasonal_naive_1-12": 0.015})
    assert close.endswith("larger by 1.5 %, give or take 2.0 %, which chance may explain.")
    assert words.verdict({}) == words.NOT_JUDGED


@pytest.mark.parametrize(
    ("covered", "noise", "said"),
    [
        (0.9, 0.01, "as good as promised"),
        (0.95, 0.01, "they are too wide"),
        (0.8, 0.01, "they promise too much"),
        (0.8, 0.06, "as good as promised"),
        (math.nan, 0.1, "could not be judged"),
    ],
)
def test_words_on_intervals(covered: float, noise: float, said: str) -> None:
    name = "revenue_coverage_90_1-12"
    summary = {name: covered, f"{name}_standard_error": noise, "revenue_width_90_1-12": 0.2}
    assert said in words.intervals(summary)


def test_a_learner_without_weight_is_named(weights: pd.DataFrame) -> None:
    first, *_ = words.weights_in_words(weights)
    assert first.startswith("For revenue the stock-and-flow core carries most")
    assert "random forest earned no place" in first
    assert "finding" not in words.weights_in_words(weights[weights["candidate"] == "core"])[0]


def test_learners_that_count_nowhere_are_said_to_first(html, inputs, weights, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(drawing, "to_png", lambda figure: b"not drawn")
    model = inputs["model"]
    idle = weights.assign(weight=weights["weight"].where(~weights["candidate"].isin(LEARNERS), 0.0))
    write_html_report(tmp_path / "r.html", **(inputs | {"model": replace(model, weights=idle)}))
    section = _section((tmp_path / "r.html").read_text(encoding="utf-8"), "importances")
    assert section.index("None of the learners (") < section.index("<details>") < section.index("<img")
    assert "<details>" not in _section(html, "importances")
    assert "None of the learners" not in html


def _section(html: str, name: str) -> str:
    return html.partition(f'<section id="{name}">')[2].partition("</section>")[0]


def test_every_word_of_the_model_s_own_is_explained(html: str) -> None:
    how = Page(_section(html, "how")).text
    assert set(REGRESSORS) - {"price", "classes"} | {LABELS["direct"], LABELS["smoothing"]} <= set(GLOSSARY)
    for term, meaning in GLOSSARY.items():
        assert f"{term.capitalize()} {meaning[0].upper()}{meaning[1:]}." in how


def test_the_greatest_weight_of_the_learners(weights: pd.DataFrame) -> None:
    rows = (weights["target"] == "members") & (weights["horizon"] == 7) & (weights["candidate"] == "xgboost")
    changed = weights.assign(weight=weights["weight"].where(~rows, 0.45))
    assert learner_weight(changed) == {"greatest_learner_weight": pytest.approx(0.65)}
    assert learner_weight(weights[weights["candidate"] == "core"]) == {"greatest_learner_weight": 0.0}
    assert learner_weight(weights.iloc[:0]) == {}


def test_words_on_data(panel_frame: pd.DataFrame, rejected: pd.DataFrame) -> None:
    assert words.panel_in_words(panel_frame).startswith("400 months of 10 studios of 5 types, from ")
    one = panel_frame[panel_frame["studio_id"] == panel_frame["studio_id"].iloc[0]]
    assert "40 months of 1 studio of 1 type" in words.panel_in_words(one)
    doubled = one.assign(total_revenue=[1.0] * 28 + [2.0] * 12, staff_count=math.nan)
    growth, season, gaps = words.data_in_words(doubled)
    assert "took in 24 in the last twelve, 100.0 % more than" in growth
    assert season.startswith("The season is strongest for")
    assert gaps == "No month gives staff_count."
    assert words.data_in_words(panel_frame.iloc[:0]) == []
    assert words.rejected_in_words(rejected, 96) == "4 rows were left out (4.00 % of those given), and why:"


def test_tables_stress_the_best_and_name_the_worst(panel_frame, report) -> None:
    table = error_table(report.metrics, "revenue")
    assert table.best == {(0, 1), (0, 2), (0, 3), (0, 4)}
    rows = predictions_of(studios=5, targets=("revenue",))
    rows.loc[rows["studio_id"] == "s003", "ensemble"] = 2 * rows["actual"]
    worst = hardest_studios(rows).rows[0]
    assert list(worst) == ["s003", "18", "100.0 %", "+100.0 %"]
    assert error_by_type(panel_frame, rows).rows[0][:3] == ["unknown", "5", "90"]
    assert replace(table, rows=[]).rows == []
