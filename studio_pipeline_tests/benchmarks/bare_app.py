"""A FastAPI app that takes and returns what the forward route does, and does nothing between: the measure of
what a web framework alone costs. `python -m studio_pipeline_tests.benchmarks.bare_app PORT`.
"""

import sys

import uvicorn
from fastapi import FastAPI

from serving.schemas.forward import ForwardAnswer, ForwardRequest, LeverEffectAnswer, MonthAnswer

MONTHS = 12

app = FastAPI()


def constant_answer() -> ForwardAnswer:
    """Twelve months with intervals, as long as a real answer."""
    month = MonthAnswer(
        revenue=41234.56789012345,
        member_count=252.34567890123456,
        retention_rate=0.9312345678901234,
        confidence_interval=(38900.12345678901, 43800.98765432109),
        intervals={"0.9": (38900.12345678901, 43800.98765432109)},
        confidence_score=0.8123456789012345,
    )
    effect = LeverEffectAnswer(
        source="pooled",
        effect=-0.9312345678901234,
        standard_error=0.1123456789012345,
        shares={"data": 0.0123456789, "pooled": 0.9123456789, "prior": 0.0753086422},
    )
    return ForwardAnswer(
        scenario_id="00000000-0000-4000-8000-000000000000",
        model_version="1",
        data_version="0123456789abcdef",
        base_month="2021-12-01",
        history_months=60,
        predictions={f"month_{number}": month for number in range(1, MONTHS + 1)},
        growth_rate=0.0123456789012345,
        total_projected_revenue=494814.8146814814,
        total_confidence_interval=(466801.4814814681, 525611.8518518531),
        interval_level=0.9,
        prediction_accuracy=0.9571234567890123,
        lever_effects=dict.fromkeys(
            ("avg_ticket_price", "class_attendance_rate", "staff_utilization_rate"), effect
        ),
        warnings=["avg_ticket_price 150 is above the 149.4 that the months up to the base month have shown."],
    )


ANSWER = constant_answer()


@app.post("/api/v1/predict/forward", response_model=ForwardAnswer)
async def predict_forward(body: ForwardRequest) -> ForwardAnswer:
    return ANSWER


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_config=None, server_header=False)
