"""Kills with -9 at random moments; `campaigns/test_many_kills.py` has many.

`studio up` runs on a small home while files of months appear and are corrected; the daemon, the webserver, a
run, the service or `studio up` itself is killed, again and again. After each kill everything comes back by
itself, the graph is consistent and the service answers from a complete release; in the end the release is the
one that a single run over the same files publishes. Linux.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import yaml

from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.locks import RUN_ID, lock_holder
from studio_pipeline.publishing.releases import current_release, release_history, verify_release
from studio_pipeline_tests.cli.conftest import QUICK, start_studio
from studio_pipeline_tests.serving.processes import free_port

TARGETS = ("daemon", "webserver", "run", "service", "up")
LONGEST_PAUSE_SECONDS = 12.0
STUDIOS, FIRST_MONTHS = 10, 30
RECOVERY_SECONDS = 180.0
UNFINISHED = [dg.DagsterRunStatus[name] for name in ("QUEUED", "STARTING", "STARTED", "CANCELING")]


def wait_for(what: str, holds: Callable[[], bool], seconds: float = RECOVERY_SECONDS) -> float:
    """Wait until something holds, and answer the seconds that it took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)
    return time.monotonic() - began


@dataclass
class KilledHome:
    """A STUDIO_HOME, `studio up` on it (its ports: service, web UI), and files that are still to come.

    Of `months`, the first `FIRST_MONTHS` are there from the start, and `dropped` more have come since.
    """

    home: Path
    ports: tuple[int, int]
    months: pd.DataFrame
    dropped: int = 0
    up: subprocess.Popen[str] | None = None
    shown: int = field(default=0)

    def studio(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        settings = {"STUDIO_CONFIG": str(self.home.parent / "quick.yaml")} | settings
        with (self.home.parent / "studio.log").open("ab") as log:
            return start_studio(self.home, *arguments, log=log, **settings)

    def start_up(self) -> None:
        service, web = self.ports
        self.up = self.studio("up", "--port", str(service), "--dagster-port", str(web))
        self.wait_until_well()

    def drop(self) -> None:
        """Put the next month into the landing folder, by rename as one should."""
        month = sorted(self.months["month_year"].unique())[FIRST_MONTHS + self.dropped]
        self.dropped += 1
        self._land(f"month-{self.dropped:03}.csv", self.months[self.months["month_year"] == month])

    def correct(self) -> None:
        path = self.home / "landing" / f"month-{self.dropped:03}.csv"
        rows = pd.read_csv(path, parse_dates=["month_year"])
        money = [name for name in rows if name.endswith("_revenue")]
        rows[money] *= 1.01
        self._land(path.name, rows)

    def _land(self, name: str, rows: pd.DataFrame) -> None:
        folder = self.home / "landing"
        folder.mkdir(parents=True, exist_ok=True)
        rows.to_csv(folder.parent / f".{name}", index=False, date_format="%Y-%m-%d")
        (folder.parent / f".{name}").rename(folder / name)

    def process(self, target: str) -> int | None:
        """The process that a kill of `target` is meant for; None where there is none now."""
        if target == "up":
            return self.up.pid
        if target == "run":
            holder = lock_holder(self.home) or {}
            return int(holder["pid"]) if RUN_ID in holder else None
        words = {"daemon": "dagster._daemon", "webserver": "cli.webserver", "service": "serve"}
        return next((pid for pid in children_of(self.up.pid) if words[target] in command_of(pid)), None)

    def kill(self, target: str) -> bool:
        """Kill with -9, and start `studio up` again if that was it; answers whether there was anybody."""
        pid = self.process(target)
        if pid is None:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        if target == "up":
            self.up.wait()
            service, web = self.ports
            self.up = self.studio("up", "--port", str(service), "--dagster-port", str(web))
        return True

    def wait_until_well(self) -> float:
        return wait_for("all of studio up answers", self.is_well)

    def is_well(self) -> bool:
        assert self.up.poll() is None, f"studio up ended with {self.up.returncode}"
        is_served = bool(self.answer("/api/v1/health").get("model_version"))
        return is_served and self._web_answers() and self.process("daemon") is not None

    def answer(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the service answers; nothing where it does not."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[0]}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - our own http URL
                answered: dict[str, Any] = json.load(response)
                return answered
        except (OSError, urllib.error.HTTPError):
            return {}

    def _web_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[1]}/server_info", timeout=5):
                return True
        except OSError:
            return False

    def dagster(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(str(self.home / "dagster"))

    def check(self) -> None:
        """What must hold at every moment: whole releases, whole assets, and answers from one of them."""
        history = release_history(self.home)
        assert [release.version for release in history] == list(range(1, len(history) + 1))
        for release in [*history[max(0, self.shown - 1) :], current_release(self.home)]:
            verify_release(self.home, release)
        self.shown = len(history)
        for pointer in (self.home / "assets").glob("*/current"):
            verify_folder(pointer.parent / pointer.read_text("utf-8"))
        with self.dagster() as instance:
            for key in instance.all_asset_keys():
                event = instance.get_latest_materialization_event(key)
                stored = self.home / "assets" / key.path[-1]
                if event is not None and stored.exists():
                    verify_folder(stored / f"v-{event.run_id}")
        first = str(self.months["studio_id"].iloc[0])
        answered = self.answer("/api/v1/predict/forward", {"studio_id": first})
        pairs = {(release.model_version, release.data_version) for release in release_history(self.home)}
        assert (answered.get("model_version"), answered.get("data_version")) in pairs, answered

    def is_settled(self) -> bool:
        """Whether the current release holds every month that was dropped, and nothing goes on."""
        last = pd.Timestamp(sorted(self.months["month_year"].unique())[FIRST_MONTHS + self.dropped - 1])
        with self.dagster() as instance:
            busy = instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED))
        return not busy and current_release(self.home).last_month == last.date()

    def stop(self) -> None:
        if self.up is not None and self.up.poll() is None:
            self.up.send_signal(signal.SIGINT)
            self.up.wait(timeout=60)

    def data_version_of_one_clean_run(self) -> str:
        """What one run over the same files, from nothing, publishes."""
        clean = KilledHome(self.home.parent / "clean" / "home", self.ports, self.months)
        clean.home.mkdir(parents=True)
        shutil.copytree(self.home / "landing", clean.home / "landing")
        shutil.copy(self.home.parent / "quick.yaml", clean.home.parent / "quick.yaml")
        assert clean.studio("run").wait() == 0
        return current_release(clean.home).data_version


def make_home(folder: Path, ports: tuple[int, int], new_months: int) -> KilledHome:
    """A home with one release from files, before `studio up` is started on it."""
    (folder / "quick.yaml").write_text(yaml.safe_dump(QUICK), "utf-8")
    months = generate_months(GeneratorConfig(studios=STUDIOS, months=FIRST_MONTHS + new_months))
    made = KilledHome(folder / "home", ports, months)
    first = sorted(months["month_year"].unique())[:FIRST_MONTHS]
    made._land("history.csv", months[months["month_year"].isin(first)])
    assert made.studio("run").wait() == 0, (folder / "studio.log").read_text("utf-8")
    return made


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
    return [int(word) for word in text.split()]


def command_of(pid: int) -> list[str]:
    """The words of a process's command line; none where it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8").split("\0")
    except OSError:
        return []


def kill_often(
    folder: Path, times: int, seed: int, targets: Sequence[str] = TARGETS
) -> dict[str, list[float]]:
    """Kill, and check what must hold; answers seconds until all was well again, by what was killed."""
    moments = random.Random(seed)
    killed = make_home(folder, free_ports(), new_months=times + 1)
    recoveries: dict[str, list[float]] = defaultdict(list)
    killed.start_up()
    try:
        for number in range(times):
            target = targets[number % len(targets)]
            change_files(killed, moments, must=target == "run")
            recoveries[target].append(kill_once(killed, target, moments))
            killed.check()
            print(f"{number + 1:3} {target:10} well after {recoveries[target][-1]:5.1f} s", flush=True)  # noqa: T201
        killed.drop()
        recoveries["settled"].append(settle(killed))
        killed.check()
    finally:
        killed.stop()
    assert current_release(killed.home).data_version == killed.data_version_of_one_clean_run()
    return dict(recoveries)


def change_files(killed: KilledHome, moments: random.Random, *, must: bool) -> None:
    draw = moments.random()
    if must or draw < 0.5 or killed.dropped == 0:
        killed.drop()
    elif draw < 0.65:
        killed.correct()


def kill_once(killed: KilledHome, target: str, moments: random.Random) -> float:
    if target == "run":
        wait_for("a run begins", lambda: killed.process("run") is not None, 240)
        time.sleep(moments.uniform(0, 8))
    else:
        time.sleep(moments.uniform(0, LONGEST_PAUSE_SECONDS))
    if not killed.kill(target):
        # The run was quicker than the pause: its successor, or the daemon in its place.
        killed.kill("daemon")
    time.sleep(0.3)
    return killed.wait_until_well()


def settle(killed: KilledHome) -> float:
    try:
        return wait_for("every file is in a release", killed.is_settled, 420)
    except AssertionError:
        print(report(killed))  # noqa: T201
        raise


def report(killed: KilledHome) -> str:
    ends: dict[str, int] = defaultdict(int)
    with killed.dagster() as instance:
        for run in instance.get_runs():
            ends[f"{run.job_name} {run.status.value}"] += 1
    return f"{len(release_history(killed.home))} releases, {killed.dropped} files; runs: {dict(ends)}"


def free_ports() -> tuple[int, int]:
    return free_port(), free_port()
