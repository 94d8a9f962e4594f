"""What the service takes to start and to stay.

`python -m studio_pipeline_tests.benchmarks.service_footprint` fits a model quickly, with a weight on every
learner, and publishes it beside generated months of several numbers of studios. It starts the service on each
and a bare FastAPI application beside it, and prints wall and CPU time from start to first answer, and the
memory of a process that has answered for every studio once. On Linux alone: it asks /proc.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import httpx

from studio_pipeline.forecasting.model.studio_model import StudioModel
from studio_pipeline.panel.arrays import StudioPanel
from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.releases import Release, publish_release
from studio_pipeline.publishing.snapshots import write_panel
from studio_pipeline_tests.benchmarks.forward_speed import LEVER_RANGES, QUICK
from studio_pipeline_tests.forecasting.fleets import fit_all, generated_panel

ROOT = Path(__file__).parents[2]
FORWARD = "/api/v1/predict/forward"
SERVICE = ("-m", "studio_pipeline.cli", "serve", "--port", "{port}")
BARE = (
    *("-m", "uvicorn", "studio_pipeline_tests.benchmarks.bare_app:app"),
    *("--log-level", "warning", "--app-dir", str(ROOT), "--port", "{port}"),
)
LEVERS = {lever: sum(ends) / 2 for lever, ends in LEVER_RANGES.items()}
MIB, KB = 1 << 20, 1_000


@dataclass(frozen=True)
class Footprint:
    """What one process took.

    Attributes:
        name: of the process.
        studios: it has answered for so many.
        wall_seconds: from its start to its first answer.
        cpu_seconds: of all its threads, until then.
        resident_bytes: once it had answered for every studio.
        peak_bytes: the most it ever had.
    """

    name: str
    studios: int
    wall_seconds: float
    cpu_seconds: float
    resident_bytes: int
    peak_bytes: int


def publish(home: Path, model: StudioModel, panel: StudioPanel) -> None:
    write_bundle(home, "1", model.save, {})
    version, moment = write_panel(home, panel), datetime.now(UTC)
    last = date.fromisoformat(f"{panel.months[-1]}-01")
    publish_release(home, Release("1", version, "generator", last, "benchmark", moment))


def largest_model(studios: int = 200, months: int = 60) -> StudioModel:
    """A model fitted quickly in which every learner has weight, so that it keeps all that a model can."""
    return fit_all(generated_panel(studios, months), QUICK).model_of_all


def measure(name: str, command: Sequence[str], home: Path, studios: Iterable[str]) -> Footprint:
    """Starts a process, asks it about one studio after the other, ends it.

    Args:
        name: of the process.
        command: arguments of Python, `{port}` to be filled in.
        home: STUDIO_HOME, and the process's working directory.
        studios: names; at least one.

    Raises:
        RuntimeError: it ended by itself.
    """
    first, *others = studios
    port = _free_port()
    arguments = [sys.executable, *(part.format(port=port) for part in command)]
    start = time.perf_counter()
    with subprocess.Popen(arguments, cwd=home, env=_environment(home)) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                _first_answer(client, process, first)
                wall_seconds, cpu_seconds = time.perf_counter() - start, _cpu_seconds(process.pid)
                for studio in others:
                    _ask(client, studio)
            resident, peak = (_bytes_of(process.pid, field) for field in ("VmRSS", "VmHWM"))
        finally:
            process.terminate()
    return Footprint(name, 1 + len(others), wall_seconds, cpu_seconds, resident, peak)


def kb_per_studio(few: Footprint, many: Footprint) -> float:
    """Resident memory that one studio more takes, kB."""
    return (many.resident_bytes - few.resident_bytes) / KB / (many.studios - few.studios)


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {
        "STUDIO_HOME": str(home),
        "STUDIO_LOG_FILE": str(home / "service.log"),
        "STUDIO_CACHE_TTL_SECONDS": "0",
        "STUDIO_RATE_LIMIT": "1000000/second",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH")))),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _first_answer(client: httpx.Client, process: subprocess.Popen[bytes], studio: str) -> None:
    while process.poll() is None:
        try:
            return _ask(client, studio)
        except httpx.TransportError:
            time.sleep(0.005)
    raise RuntimeError(f"{process.args} ended with status {process.returncode}")


def _ask(client: httpx.Client, studio: str) -> None:
    body = {
        "studio_id": studio,
        "projection_months": 12,
        "include_confidence_intervals": True,
        "levers": LEVERS,
    }
    client.post(FORWARD, json=body).raise_for_status()


def _cpu_seconds(pid: int) -> float:
    # The name in parentheses may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _bytes_of(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


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
