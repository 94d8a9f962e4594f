"""What a whole run costs: `python -m studio_pipeline_tests.benchmarks.pipeline_scale`.

Writes files of generated months, of 1,000 and 10,000 studios over 60 months where nothing else is asked for,
runs `studio run` on them, each time from nothing, and prints wall time, CPU time of all its processes, the
memory of its largest process at its peak, and with which power of the studios these grow. Takes a quarter of
an hour and 2 GB of disk.
"""

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.cli.conftest import start_studio

STUDIOS_A_FILE = 2_500
GIB = 1 << 30


@dataclass(frozen=True)
class Cost:
    """What one run took: from start to exit, of all its processes, of the largest one at its peak."""

    studios: int
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str


def write_months(folder: Path, studios: int, months: int) -> None:
    """Some CSV files of generated months; all of a studio's stand in one of them."""
    frame = generate_months(GeneratorConfig(studios=studios, months=months))
    folder.mkdir(parents=True)
    number = frame["studio_id"].factorize()[0]
    for part, rows in frame.groupby(number // STUDIOS_A_FILE):
        rows.to_csv(folder / f"months-{part}.csv", index=False, date_format="%Y-%m")


def measure(folder: Path, studios: int, months: int, configuration: Path | None = None) -> Cost:
    """One `studio run`, from files in a STUDIO_HOME of its own below a folder.

    Raises:
        RuntimeError: it published nothing; the message is what it printed.
    """
    home = folder / f"{studios}-studios"
    write_months(home / "landing", studios, months)
    settings = {"STUDIO_CONFIG": str(configuration)} if configuration else {}
    printed = home / "printed.txt"
    start = time.perf_counter()
    with printed.open("wb") as file:
        process = start_studio(home, "run", log=file, **settings)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_seconds, output = time.perf_counter() - start, printed.read_text("utf-8")
    if process.returncode:
        raise RuntimeError(output)
    # Linux counts in KiB, macOS in bytes.
    peak_bytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Cost(studios, wall_seconds, used.ru_utime + used.ru_stime, peak_bytes, output)


def exponent(x: tuple[float, float], y: tuple[float, float]) -> float:
    return float(np.log(y[1] / y[0]) / np.log(x[1] / x[0]))


def table(costs: list[Cost]) -> str:
    lines = [f"{'studios':>8}  {'wall s':>8}  {'CPU s':>8}  {'peak GiB':>8}  power: wall, CPU, memory"]
    before: Cost | None = None
    for cost in costs:
        powers = ""
        if before:
            x = before.studios, cost.studios
            powers = ", ".join(
                f"{exponent(x, (getattr(before, name), getattr(cost, name))):.2f}"
                for name in ("wall_seconds", "cpu_seconds", "peak_bytes")
            )
        lines.append(
            f"{cost.studios:8,}  {cost.wall_seconds:8.0f}  {cost.cpu_seconds:8.0f}"
            f"  {cost.peak_bytes / GIB:8.2f}  {powers}"
        )
        before = cost
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of `studio run`.")
    parser.add_argument("--studios", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="For the files of the runs; a temporary one by default.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        costs = []
        for studios in options.studios:
            costs.append(measure(Path(folder), studios, options.months))
            sys.stdout.write(costs[-1].output + "\n")
            sys.stdout.flush()
    sys.stdout.write(table(costs) + "\n")


if __name__ == "__main__":
    main()
