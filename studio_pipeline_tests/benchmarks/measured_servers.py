"""The service and the bare app as processes on a core of their own: what they take to start and to hold, and
the model and levers that they are asked with.
"""

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from studio_pipeline.publishing.layout import history_folder, model_folder, pointer_file, snapshot_folder
from studio_pipeline.publishing.releases import current_release
from studio_pipeline_tests.serving.processes import free_port

ROOT = Path(__file__).parents[2]
OURS = ("-c", "from serving.server import serve; serve(port={port})")
BARE = ("-m", "studio_pipeline_tests.benchmarks.bare_app", "{port}")
FORWARD = "/api/v1/predict/forward"
LEVER_RANGES = {
    "avg_ticket_price": (90.0, 160.0),
    "retention_rate": (0.88, 0.95),
    "total_classes_held": (80.0, 140.0),
}


def drawn_levers(rng: np.random.Generator) -> dict[str, float]:
    return {lever: float(rng.uniform(*ends)) for lever, ends in LEVER_RANGES.items()}


@dataclass(frozen=True)
class Server:
    """A running server: `start_seconds` from the start of its process to its first answer, and of a core."""

    port: int
    process: subprocess.Popen[bytes]
    start_seconds: float
    start_cpu_seconds: float

    def memory_bytes(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))


def cpu_seconds(pid: int) -> float:
    """Of a process so far, user and system."""
    # The name in parentheses may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def environment_of(home: Path) -> dict[str, str]:
    """No cache and no limit, and nothing of what is set outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {
        "STUDIO_HOME": str(home),
        "STUDIO_LOG_FILE": str(home / "service.log"),
        "STUDIO_CACHE_TTL_SECONDS": "0",
        "STUDIO_RATE_LIMIT": "1000000/second",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH")))),
    }


@contextmanager
def server(command: tuple[str, ...], home: Path, first: bytes, *, alone: bool = True) -> Iterator[Server]:
    """Run a server until it has given its first answer, then as long as is wanted.

    Args:
        command: arguments of Python, `{port}` filled in.
        home: STUDIO_HOME and working directory.
        first: body of its first forward request.
        alone: whether it has the first core for itself, and this process the others.
    """
    outside, cores, port = os.sched_getaffinity(0), all_cores(), free_port()
    arguments = [sys.executable, *(part.format(port=port) for part in command)]
    if alone:
        os.sched_setaffinity(0, cores[:1])
    start = time.perf_counter()
    process = subprocess.Popen(arguments, cwd=home, env=environment_of(home))
    if alone:
        os.sched_setaffinity(0, cores[1:] or cores)
    try:
        wait_for_answer(port, first, process)
        elapsed = time.perf_counter() - start
        yield Server(port, process, elapsed, cpu_seconds(process.pid))
    finally:
        os.sched_setaffinity(0, outside)
        process.terminate()
        process.wait(timeout=30)


@cache
def all_cores() -> tuple[int, ...]:
    """Those this process may use before a server has taken one of them; the next server takes the same."""
    return tuple(sorted(os.sched_getaffinity(0)))


def wait_for_answer(port: int, body: bytes, process: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    url = f"http://127.0.0.1:{port}{FORWARD}"
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                answer.read()
                return
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"the first request is answered {error.code}: {error.read()!r}") from None
        except OSError:
            time.sleep(0.005)
    raise RuntimeError("the server did not start")


def copied_home(home: Path, target: Path) -> Path:
    """The current release of a STUDIO_HOME in a home of its own, so that a benchmark leaves nothing there."""
    release = current_release(home)
    for folder in (model_folder, snapshot_folder):
        version = release.model_version if folder is model_folder else release.data_version
        shutil.copytree(folder(home, version), folder(target, version))
    shutil.copytree(history_folder(home), history_folder(target))
    shutil.copy(pointer_file(home), pointer_file(target))
    return target
