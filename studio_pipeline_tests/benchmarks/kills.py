"""Kills with -9 at random moments: `python -m studio_pipeline_tests.benchmarks.kills --times 50`.

`studio up` runs on a small home while files of months appear and are corrected; the daemon, the webserver, a
run, the service or `studio up` itself is killed, again and again. After each kill everything comes back by
itself, the graph is consistent and the service answers from a complete release; in the end the release is the
one that a single run over the same files publishes. Prints a table. Linux.
"""

import argparse
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from studio_pipeline.publishing.releases import current_release, release_history
from studio_pipeline_tests.benchmarks.killed_home import KilledHome, make_home, wait_for
from studio_pipeline_tests.serving.processes import free_port

TARGETS = ("daemon", "webserver", "run", "service", "up")
LONGEST_PAUSE_SECONDS = 12.0


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a new folder to work in and keep")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        recoveries = kill_often(folder, given.times, given.seed)
    for target, seconds in recoveries.items():
        print(  # noqa: T201
            f"{target:10} {len(seconds):3} times, well again after {median(seconds):.1f} s"
            f" (median), {max(seconds):.1f} s (longest)"
        )


if __name__ == "__main__":
    main()
