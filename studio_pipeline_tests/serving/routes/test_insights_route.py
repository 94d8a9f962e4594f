"""Insights over HTTP, through the real application on a small real model."""

from typing import Any

import pytest
from fake_openai import fake_openai
from starlette.testclient import TestClient

from serving.schemas.insights import InsightsAnswer
from studio_pipeline.planning.insights.narrative import amount, percent
from studio_pipeline_tests.forecasting.fleets import small_fleet

INSIGHTS = "/api/v1/insights"


def studio(row: int = 8) -> str:
    return str(small_fleet().panel.studio_ids[row])


def insights_of(client: TestClient, **body: Any) -> InsightsAnswer:
    response = client.post(INSIGHTS, json={"studio_id": studio(), **body})
    assert response.status_code == 200, response.text
    return InsightsAnswer.model_validate_json(response.content)


@pytest.mark.parametrize(("row", "months"), [(8, 3), (0, 12), (6, 1), (4, 6)])
def test_figures_add_up_and_texts_say_them(real_client: TestClient, row: int, months: int) -> None:
    answer = insights_of(real_client, studio_id=studio(row), projection_months=months)
    facts = answer.facts
    assert answer.source == "template"
    assert sum(driver.amount for driver in answer.drivers) == pytest.approx(facts.change)
    assert sum(driver.share or 0.0 for driver in answer.drivers) == pytest.approx(1.0)
    assert facts.revenue - facts.revenue_then == pytest.approx(facts.change)
    for figure in (amount(facts.revenue_then), amount(facts.revenue), percent(abs(facts.growth or 0.0))):
        assert figure in answer.summary
    for step in answer.recommendations:
        assert amount(step.gain) in step.action


def test_figures_are_those_of_the_forward_answer(real_client: TestClient) -> None:
    answer = insights_of(real_client, projection_months=6)
    body = {"studio_id": studio(), "projection_months": 6, "include_confidence_intervals": True}
    forward = real_client.post("/api/v1/predict/forward", json=body).json()
    last = forward["predictions"]["month_6"]
    facts = answer.facts
    assert facts.revenue == pytest.approx(last["revenue"], rel=1e-12)
    assert facts.interval == pytest.approx(last["confidence_interval"], rel=1e-12)
    assert facts.total_revenue == pytest.approx(forward["total_projected_revenue"], rel=1e-12)
    assert facts.members == pytest.approx(last["member_count"], rel=1e-12)
    assert facts.base_month == forward["base_month"]
    assert facts.usual_error == pytest.approx(1 - forward["prediction_accuracy"])
    assert (answer.model_version, answer.data_version) == (forward["model_version"], forward["data_version"])
    assert answer.warnings[: len(forward["warnings"])] == forward["warnings"]
    # What a forward answer would say of the steps that are recommended comes after it.
    assumed = {step.lever for step in answer.recommendations if step.effect_source == "prior"}
    told = {lever for lever in assumed if any(lever in sentence for sentence in answer.warnings)}
    assert assumed == told


def test_another_base_month_is_another_start(real_client: TestClient) -> None:
    month = str(small_fleet().panel.months[-4])
    answer = insights_of(real_client, base_month=month)
    history = real_client.get(
        f"/api/v1/studios/{studio()}/history", params={"from": month, "to": month}
    ).json()
    assert answer.facts.base_month == f"{month}-01"
    assert answer.facts.revenue_then == history["months"][0]["total_revenue"]
    assert answer.facts.members_then == history["months"][0]["total_members"]


def test_a_narrator_writes_where_a_key_is_set_and_no_name_reaches_it(real_client_of: Any) -> None:
    with fake_openai() as server:
        settings = {"openai_api_key": "k", "openai_base_url": server.base_url, "openai_model": "small-1"}
        with real_client_of(**settings) as client:
            server.text = "The studio is {growth}."
            good = insights_of(client)
            server.text = "The studio gains 987,654,321."
            wrong = insights_of(client)
            server.status = 500
            failed = insights_of(client)
    rate = good.facts.growth or 0.0
    growth = f"{'up' if rate >= 0 else 'down'} {percent(abs(rate))}"
    assert (good.source, good.summary) == ("openai:small-1", f"The studio is {growth}.")
    for answer in (wrong, failed):
        assert answer.source == "template"
        assert answer.summary.startswith(f"Studio {studio()} took")
    assert not any(studio() in str(asked) for asked in server.asked)
