"""What FastAPI costs by itself: an application that takes the service's schemas and answers constant values.

`uvicorn studio_pipeline_tests.benchmarks.bare_app:app`
"""

from __future__ import annotations

from fastapi import FastAPI

from serving.schemas.forward import (
    ForwardAnswer,
    ForwardRequest,
    LeverEffectAnswer,
    MonthAnswer,
    StatusQuoAnswer,
)

MONTH = MonthAnswer(
    revenue=41234.512345678,
    member_count=252.123456789,
    retention_rate=0.931234567,
    confidence_interval=(38900.123456, 43800.987654),
    intervals={"0.9": (38900.123456, 43800.987654)},
    confidence_score=0.8123456789,
)
EFFECT = LeverEffectAnswer(source="data", effect=-0.93123456, standard_error=0.11123456)


def answer_over(months: int) -> ForwardAnswer:
    """A constant answer over so many months."""
    return ForwardAnswer(
        scenario_id="4b1e6a52-6a0c-4b43-9a0c-2f1a7ad9a111",
        model_version="1",
        data_version="773dca67aa23e162",
        base_month="2021-12-01",
        history_months=60,
        predictions={f"month_{number}": MONTH for number in range(1, months + 1)},
        growth_rate=0.0123456789,
        total_projected_revenue=41234.512345678 * months,
        total_confidence_interval=(40000.123456 * months, 42000.123456 * months),
        interval_level=0.9,
        prediction_accuracy=0.957123456,
        lever_effects=dict.fromkeys(("avg_ticket_price", "class_attendance_rate"), EFFECT),
        warnings=["avg_ticket_price 150 lies outside what this studio has shown so far (110 to 140)."],
        status_quo=StatusQuoAnswer(
            total_projected_revenue=40000.0, difference=1234.5, difference_interval=(900.1, 1600.2)
        ),
    )


ANSWERS = [answer_over(months) for months in range(1, 13)]

app = FastAPI(title="Bare")


@app.post("/api/v1/predict/forward")
async def predict_forward(body: ForwardRequest) -> ForwardAnswer:
    """One of the constants."""
    return ANSWERS[body.projection_months - 1]
