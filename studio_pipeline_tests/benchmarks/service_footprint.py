"""What the service takes to start and to stay.

`python -m studio_pipeline_tests.benchmarks.service_footprint` fits a model quickly, with a weight on every
learner, and publishes it beside generated months of several numbers of studios. It starts the service on each
and a bare FastAPI application beside it, and prints wall and CPU time from start to first answer, and the
memory of a process that has answered for every studio once. On Linux alone: it asks /proc.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline_tests.benchmarks.forward_speed import LEVER_RANGES, QUICK
from studio_pipeline_tests.benchmarks.measured_servers import BARE, FORWARD, publish, server
from studio_pipeline_tests.forecasting.fleets import fit_all, generated_panel

SERVICE = ("-m", "studio_pipeline.cli", "serve", "--port", "{port}")
QUESTION: dict[str, Any] = {"projection_months": 12, "include_confidence_intervals": True}
QUESTION["levers"] = {lever: sum(ends) / 2 for lever, ends in LEVER_RANGES.items()}
MIB, KB = 1 << 20, 1_000


@dataclass(frozen=True)
class Footprint:
    """What one process took: time to its first answer, memory once it had answered for every studio."""

    name: str
    studios: int
    wall_seconds: float
    cpu_seconds: float
    resident_bytes: int
    peak_bytes: int


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
        resident, peak = (running.memory_bytes(field) for field in ("VmRSS", "VmHWM"))
    started = running.start_seconds, running.start_cpu_seconds
    return Footprint(name, len(studios), *started, resident, peak)


def kb_per_studio(few: Footprint, many: Footprint) -> float:
    """Resident memory that one studio more takes, kB."""
    return (many.resident_bytes - few.resident_bytes) / KB / (many.studios - few.studios)


def table(found: Sequence[Footprint]) -> str:
    width = max(len(footprint.name) for footprint in found)
    lines = [f"{'':{width}}  {'studios':>8}  {'start s':>8}  {'CPU s':>6}  {'MiB':>6}  {'peak MiB':>8}"]
    lines += [
        f"{f.name:{width}}  {f.studios:8,}  {f.wall_seconds:8.2f}  {f.cpu_seconds:6.2f}"
        f"  {f.resident_bytes / MIB:6.0f}  {f.peak_bytes / MIB:8.0f}"
        for f in found
    ]
    return "\n".join(lines)


def _median(starts: Sequence[Footprint]) -> Footprint:
    return sorted(starts, key=lambda start: start.wall_seconds)[len(starts) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description="Start-up and memory of the service.")
    parser.add_argument("--studios", type=int, nargs="+", default=[300, 1_000, 3_000, 10_000])
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--starts", type=int, default=5, help="The median one by wall time is shown.")
    options = parser.parse_args()
    model = largest_model(months=options.months)
    with tempfile.TemporaryDirectory() as folder:
        bare = [measure("bare FastAPI", BARE, Path(folder), ["any"]) for _ in range(options.starts)]
        found = [_median(bare)]
        for studios in options.studios:
            home, panel = Path(folder) / str(studios), generated_panel(studios, options.months)
            publish(home, model, panel)
            names = panel.studio_ids.tolist()
            starts = [measure("service", SERVICE, home, names) for _ in range(options.starts)]
            found.append(_median(starts))
    sys.stdout.write(table(found) + "\n")
    if len(found) > 2:
        sys.stdout.write(f"{kb_per_studio(found[1], found[-1]):.1f} kB a studio\n")


if __name__ == "__main__":
    main()
