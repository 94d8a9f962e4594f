"""What the service costs over HTTP, beside a bare FastAPI app in the same run:
`python -m studio_pipeline_tests.benchmarks.service_speed [--home STUDIO_HOME]`.

One worker each with the settings of `studio serve`, on one core, the client on the other; no cache, guards
and log on, other levers in each request. The two take turns, round by round, and the figures are medians over
the rounds: a machine that is slow for a while is slow for both. After each turn the log of predictions is
written to its end, so that nobody works in the other's time, and what that takes of the core is counted.
"""

import argparse
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson

from studio_pipeline.publishing.layout import snapshot_folder
from studio_pipeline.publishing.releases import current_release
from studio_pipeline.publishing.snapshots import read_panel
from studio_pipeline_tests.benchmarks.load_client import Measured, encoded, load
from studio_pipeline_tests.benchmarks.measured_servers import (
    BARE,
    FORWARD,
    OURS,
    Server,
    copied_home,
    cpu_seconds,
    drawn_levers,
    server,
)
from studio_pipeline_tests.benchmarks.service_footprint import QUICK, publish
from studio_pipeline_tests.forecasting.fleets import fit_all, generated_panel

BATCH = "/api/v1/predict/forward/batch"
INVERSE = "/api/v1/predict/inverse"
BATCH_REQUESTS = 1_000
MANY = 16
PLANNERS = 8
SETTLE_SECONDS = 60.0
NOT_FOUND = 404
MIB = 1 << 20


@dataclass(frozen=True)
class Line:
    """A line of the table; `bare` and `ours` in the unit of `name`, `judged` what the target is about."""

    name: str
    bare: float | None
    ours: float
    judged: float
    target: float
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.judged >= self.target if self.at_least else self.judged <= self.target


def ratio_line(name: str, pairs: list[tuple[float, float]], target: float, at_least: bool = False) -> Line:
    """Medians of both, and of the ratio round by round."""
    bare, ours = (median(values) for values in zip(*pairs, strict=True))
    return Line(name, bare, ours, median(b / a for a, b in pairs), target, at_least)


def table(lines: list[Line]) -> str:
    width = max(len(line.name) for line in lines)
    rows = [f"{'':{width}}  {'bare':>9}  {'ours':>9}  {'judged':>9}  {'target':>9}"]
    for line in lines:
        bare = "" if line.bare is None else f"{line.bare:,.3f}"
        sign = ">=" if line.at_least else "<="
        target = f"{sign} {line.target:g}" if np.isfinite(line.target) else ""
        verdict = ("met" if line.met else "MISSED") if target else ""
        figures = f"{bare:>9}  {line.ours:9,.3f}  {line.judged:9,.3f}  {target:>9}"
        rows.append(f"{line.name:{width}}  {figures}  {verdict}")
    return "\n".join(rows)


def forward_bodies(studios: list[str], n: int, seed: int) -> list[dict[str, Any]]:
    """Twelve months with intervals of one studio after the other, under levers that differ in each."""
    rng = np.random.default_rng(seed)
    asked = {"projection_months": 12, "include_confidence_intervals": True}
    names = [studios[k % len(studios)] for k in range(n)]
    return [{"studio_id": name, "levers": drawn_levers(rng)} | asked for name in names]


def beside_bare(bare: Server, ours: Server, studios: list[str], rounds: int, seconds: float) -> list[Line]:
    """Forward over many connections and over one, the two servers in turn.

    Where other programs take part of the core, requests a second tell as much of them as of the servers: read
    requests a CPU second then, which on a quiet machine are the same.
    """
    many, one = [], []
    for number in range(rounds):
        requests = [encoded(FORWARD, body) for body in forward_bodies(studios, 20_000, number)]
        many.append([loaded(app, requests, MANY, seconds) for app in (bare, ours)])
        one.append([loaded(app, requests, 1, seconds)[0] for app in (bare, ours)])
    rates = [(a.per_second, b.per_second) for (a, _), (b, _) in many]
    busy = [(1e3 / a, 1e3 / b) for (_, a), (_, b) in many]
    shares = [
        (rate_a / busy_a, rate_b / busy_b)
        for (rate_a, rate_b), (busy_a, busy_b) in zip(rates, busy, strict=True)
    ]
    return [
        ratio_line(f"forward, {MANY} connections: requests/s", rates, 0.33, at_least=True),
        ratio_line("  requests a CPU second of the server", busy, 0.33, at_least=True),
        share_line(shares),
        ratio_line("forward, 1 connection: p50 ms", quantiles(one, 0.5), 2.5),
        ratio_line("forward, 1 connection: p99 ms", quantiles(one, 0.99), 4.0),
    ]


def share_line(shares: list[tuple[float, float]]) -> Line:
    """What part of its core each server got; judged by the smaller one."""
    bare, ours = (median(values) for values in zip(*shares, strict=True))
    return Line("  share of its core the server got", bare, ours, min(bare, ours), -np.inf, at_least=True)


def loaded(app: Server, requests: list[bytes], connections: int, seconds: float) -> tuple[Measured, float]:
    """A run of load, and the milliseconds of a core that the server took for each request, log included."""
    before = cpu_seconds(app.process.pid)
    (measured,) = load(app.port, (requests, connections), seconds=seconds)
    deadline = time.monotonic() + SETTLE_SECONDS
    while told(app, "studio_log_queued"):
        if time.monotonic() > deadline:
            raise RuntimeError("the log of predictions is not written to its end")
        time.sleep(0.2)
    return measured, (cpu_seconds(app.process.pid) - before) * 1e3 / len(measured.seconds)


def told(app: Server, name: str) -> float:
    """A figure of `/metrics`; 0 of the bare app, which has no such page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{app.port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
    except urllib.error.HTTPError as error:
        if error.code == NOT_FOUND:
            return 0.0
        raise
    (line,) = (line for line in lines if line.startswith(f"{name} "))
    return float(line.rpartition(" ")[2])


def dropped_line(ours: Server) -> Line:
    dropped = told(ours, 'studio_logged_predictions_total{event="dropped"}')
    return Line("answers that the log has dropped", None, dropped, dropped, 0.0)


def quantiles(runs: list[list[Measured]], share: float) -> list[tuple[float, float]]:
    return [(bare.milliseconds(share), ours.milliseconds(share)) for bare, ours in runs]


def batch_lines(ours: Server, studios: list[str], rounds: int) -> list[Line]:
    found = []
    for number in range(2 * rounds + 1):
        request = encoded(BATCH, {"requests": forward_bodies(studios, BATCH_REQUESTS, number)})
        measured, cpu = loaded(ours, [request], 1, seconds=0.0)
        found.append((measured.milliseconds(0.5) / BATCH_REQUESTS, cpu / BATCH_REQUESTS))
    elapsed, cpu = (median(part) for part in zip(*found[1:], strict=True))
    return [
        Line(f"batch of {BATCH_REQUESTS:,} x 12 months: ms a request", None, elapsed, elapsed, 0.11),
        Line("  of a core: CPU ms a request", None, cpu, cpu, np.inf),
    ]


def inverse_lines(ours: Server, studios: list[str], seconds: float) -> list[Line]:
    requests = [encoded(INVERSE, body) for body in inverse_bodies(ours, studios[:100])]
    (alone,) = load(ours.port, (requests, 1), seconds=4 * seconds)
    forward = [encoded(FORWARD, body) for body in forward_bodies(studios, 20_000, 99)]
    beside, planners = load(ours.port, (forward, 1), (requests, PLANNERS), seconds=4 * seconds)
    rows = [
        ("inverse, 1 connection: p50 ms", alone.milliseconds(0.5), 120.0),
        ("inverse, 1 connection: p99 ms", alone.milliseconds(0.99), 300.0),
        (f"forward beside {PLANNERS} inverses: p99 ms", beside.milliseconds(0.99), 50.0),
        (f"  those inverses: p50 ms ({len(planners.seconds)} calls)", planners.milliseconds(0.5), np.inf),
    ]
    return [Line(name, None, figure, figure, target) for name, figure, target in rows]


def inverse_bodies(ours: Server, studios: list[str]) -> list[dict[str, Any]]:
    """From three to nine per cent more than the third month would bring, of studios that can be planned."""
    bodies = []
    for place, studio in enumerate(studios):
        answer = asked(ours, FORWARD, {"studio_id": studio})
        target = answer["predictions"]["month_3"]["revenue"] * (1.03 + 0.01 * (place % 7))
        body = {"studio_id": studio, "target_revenue": round(target, 2), "target_months": 3}
        if asked(ours, INVERSE, body):
            bodies.append(body)
    return bodies


def asked(ours: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request; empty where it is refused."""
    url = f"http://127.0.0.1:{ours.port}{path}"
    request = urllib.request.Request(url, orjson.dumps(body), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return dict(orjson.loads(answer.read()))
    except urllib.error.HTTPError:
        return {}


def studios_of(home: Path) -> list[str]:
    """The studios of a home's release that all three levers can be set for."""
    panel = read_panel(snapshot_folder(home, current_release(home).data_version))
    needed = ("total_members", "new_members", "avg_ticket_price", "total_classes_held")
    whole = np.all([np.isfinite(panel.values[name][:, -1]) for name in needed], axis=0)
    return [str(name) for name in panel.studio_ids[whole]]


def start_lines(start: Callable[[tuple[str, ...]], Any], rounds: int) -> list[Line]:
    found: list[list[tuple[float, float]]] = [[], []]
    for _ in range(rounds):
        for place, command in enumerate((BARE, OURS)):
            with start(command) as running:
                found[place].append((running.start_seconds, running.start_cpu_seconds))
    bare, ours = ([median(part) for part in zip(*runs, strict=True)] for runs in found)
    return [
        Line("start to first answer: seconds", bare[0], ours[0], ours[0], 2.5),
        Line("  of a core: CPU seconds", bare[1], ours[1], ours[1], np.inf),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="The service over HTTP beside a bare FastAPI app.")
    parser.add_argument("--home", type=Path, help="a STUDIO_HOME with a release; one is made by default")
    parser.add_argument("--studios", type=int, default=300)
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        target = Path(folder)
        if options.home is None:
            panel = generated_panel(options.studios, options.months)
            publish(target, fit_all(panel, QUICK).model, panel)
        else:
            copied_home(options.home, target)
        studios = studios_of(target)
        first = orjson.dumps(forward_bodies(studios, 1, 0)[0])
        lines = start_lines(lambda command: server(command, target, first), options.rounds)
        bare = running.enter_context(server(BARE, target, first))
        ours = running.enter_context(server(OURS, target, first))
        time.sleep(1.0)
        lines += beside_bare(bare, ours, studios, options.rounds, options.seconds)
        lines += batch_lines(ours, studios, options.rounds)
        lines += inverse_lines(ours, studios, options.seconds)
        lines.append(dropped_line(ours))
        resident = [running.memory_bytes() / MIB for running in (bare, ours)]
        name = f"resident after all this, {len(studios)} studios: MiB"
        lines.append(Line(name, *resident, resident[1], 250.0))
    sys.stdout.write(table(lines) + "\n")


if __name__ == "__main__":
    main()
