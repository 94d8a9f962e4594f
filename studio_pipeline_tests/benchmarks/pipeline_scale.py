"""What a whole run from files costs: wall time, CPU time of all its processes, memory of its largest one."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

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
