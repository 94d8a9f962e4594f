"""The service and the bare app as processes on a core of their own, and what they take to start and hold."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from studio_pipeline.publishing.bundles import write_bundle
from studio_pipeline.publishing.layout import history_folder, model_folder, pointer_file, snapshot_folder
from studio_pipeline.publishing.releases import Release, current_release, publish_release
from studio_pipeline.publishing.snapshots import write_panel
from studio_pipeline_tests.benchmarks.forward_speed import QUICK
from studio_pipeline_tests.forecasting.fleets import fit_all, generated_panel

OURS = ("-c", "from serving.server import serve; serve(port={port})")
BARE = ("-m", "studio_pipeline_tests.benchmarks.bare_app", "{port}")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        port: on loopback.
        process: of the server.
        start_seconds: from the start of its process to its first answer.
        start_cpu_seconds: what that took of a core.
    """

    port: int
    process: subprocess.Popen[bytes]
    start_seconds: float
    start_cpu_seconds: float

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """Of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def server(command: tuple[str, ...], first: bytes, **settings: str) -> Iterator[Server]:
    """Run a server on the first core, with this process on the others, until it has given its first answer.

    Args:
        command: arguments of Python, `{port}` filled in.
        first: body of its first forward request.
        settings: environment variables.
    """
    outside = os.sched_getaffinity(0)
    cores = all_cores()
    port = free_port()
    environment = {**os.environ, **settings}
    os.sched_setaffinity(0, cores[:1])
    start = time.perf_counter()
    arguments = [part.format(port=port) for part in command]
    process = subprocess.Popen([sys.executable, *arguments], env=environment)
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
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/predict/forward", body, {"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                answer.read()
                return
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"the first request is answered {error.code}: {error.read()!r}") from None
        except OSError:
            time.sleep(0.01)
    raise RuntimeError("the server did not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def copied_home(home: Path, target: Path) -> Path:
    """The current release of a STUDIO_HOME in a home of its own, so that a benchmark leaves nothing there."""
    release = current_release(home)
    for folder in (model_folder, snapshot_folder):
        version = release.model_version if folder is model_folder else release.data_version
        shutil.copytree(folder(home, version), folder(target, version))
    shutil.copytree(history_folder(home), history_folder(target))
    shutil.copy(pointer_file(home), pointer_file(target))
    return target


def quick_home(target: Path, studios: int, months: int) -> Path:
    """A home with a release of a quickly fitted model, with as many trees as by default, on a generated
    fleet.
    """
    panel = generated_panel(studios, months)
    write_bundle(target, "1", fit_all(panel, QUICK).model.save, {"run_id": "benchmark"})
    last_month = panel.months[-1].astype("datetime64[D]").item()
    version = write_panel(target, panel)
    publish_release(target, Release("1", version, "generator", last_month, "benchmark", datetime.now(UTC)))
    return target
