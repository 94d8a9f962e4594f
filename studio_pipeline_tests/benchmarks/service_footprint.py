"""The memory of a process of the service that has answered for every studio. Linux: it asks /proc."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio_pipeline.forecasting.base.hyperparameters import ForecastingConfig
from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.releases import Release, publish_release
from studio_pipeline.publishing.snapshots import write_panel
from studio_pipeline_tests.forecasting.fleets import fit_all, generated_panel
from studio_pipeline_tests.serving.processes import service

SERVICE = ("-m", "studio_pipeline.cli", "serve", "--port", "{port}")
LEVERS = {"avg_ticket_price": 125.0, "retention_rate": 0.915, "total_classes_held": 110.0}
QUESTION: dict[str, Any] = {"projection_months": 12, "include_confidence_intervals": True, "levers": LEVERS}
QUICK = ForecastingConfig.model_validate(
    {
        "core": {"tuning_rounds": 1, "tuning_studios": 40},
        "backtest": {"folds": 1, "max_studios": 60, "max_training_rows": 6_000},
    }
)
"""Fitted quickly, but with as many trees as by default."""

MIB, KB = 1 << 20, 1_000


@dataclass(frozen=True)
class Footprint:
    name: str
    studios: int
    resident_bytes: float


def largest_model(studios: int = 200, months: int = 60) -> StudioModel:
    """A model fitted quickly in which every learner has weight, so that it keeps all that a model can."""
    return fit_all(generated_panel(studios, months), QUICK).model_of_all


def publish(home: Path, model: StudioModel, panel: StudioPanel) -> None:
    """A release of a model beside some months."""
    write_bundle(home, "1", model.save, {"run_id": "benchmark"})
    version, last = write_panel(home, panel), panel.months[-1].astype("datetime64[D]").item()
    publish_release(home, Release("1", version, "generator", last, "benchmark", datetime.now(UTC)))


def measure(name: str, command: tuple[str, ...], home: Path, studios: Sequence[str]) -> Footprint:
    """Start a service on a home, without a cache, ask it about one studio after the other, end it."""
    with service(home, *command, STUDIO_CACHE_TTL_SECONDS="0") as client:
        client.timeout = 60.0
        for studio in studios:
            asked = QUESTION | {"studio_id": studio}
            client.post("/api/v1/predict/forward", json=asked).raise_for_status()
        lines = client.get("/metrics").text.splitlines()
    (line,) = (line for line in lines if line.startswith("process_resident_memory_bytes "))
    return Footprint(name, len(studios), float(line.split()[1]))


def kb_per_studio(few: Footprint, many: Footprint) -> float:
    """Resident memory that one studio more takes, kB."""
    return (many.resident_bytes - few.resident_bytes) / KB / (many.studios - few.studios)
