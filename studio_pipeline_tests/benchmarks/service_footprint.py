"""The memory of a process of the service that has answered for every studio. Linux: it asks /proc."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline_tests.benchmarks.measured_servers import FORWARD, LEVER_RANGES, QUICK, publish, server
from studio_pipeline_tests.forecasting.fleets import fit_all, generated_panel

SERVICE = ("-m", "studio_pipeline.cli", "serve", "--port", "{port}")
QUESTION: dict[str, Any] = {"projection_months": 12, "include_confidence_intervals": True}
QUESTION["levers"] = {lever: sum(ends) / 2 for lever, ends in LEVER_RANGES.items()}
MIB, KB = 1 << 20, 1_000
__all__ = ["MIB", "SERVICE", "Footprint", "kb_per_studio", "largest_model", "measure", "publish"]


@dataclass(frozen=True)
class Footprint:
    name: str
    studios: int
    resident_bytes: int


def largest_model(studios: int = 200, months: int = 60) -> StudioModel:
    """A model fitted quickly in which every learner has weight, so that it keeps all that a model can."""
    return fit_all(generated_panel(studios, months), QUICK).model_of_all


def measure(name: str, command: tuple[str, ...], home: Path, studios: Sequence[str]) -> Footprint:
    """Starts a process on a home, asks it about one studio after the other, ends it."""
    first = orjson.dumps(QUESTION | {"studio_id": studios[0]})
    with (
        server(command, home, first, alone=False) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{running.port}", timeout=60) as client,
    ):
        for studio in studios[1:]:
            client.post(FORWARD, json=QUESTION | {"studio_id": studio}).raise_for_status()
        return Footprint(name, len(studios), running.memory_bytes())


def kb_per_studio(few: Footprint, many: Footprint) -> float:
    """Resident memory that one studio more takes, kB."""
    return (many.resident_bytes - few.resident_bytes) / KB / (many.studios - few.studios)
