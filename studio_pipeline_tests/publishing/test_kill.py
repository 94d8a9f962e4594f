"""A publisher killed with -9 at any moment leaves a complete release and takes no older one away."""

import random
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import numpy as np

from studio_pipeline.publishing.bundles import model_versions
from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import model_folder, snapshot_folder, sweep_home
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.releases import (
    Release,
    current_release,
    publish_release,
    release_history,
    verify_release,
)
from studio_pipeline.publishing.snapshots import read_panel
from studio_pipeline_tests.publishing.conftest import make_release, small_panel

PROGRAM = """
import sys
from studio_pipeline_tests.publishing.test_kill import publish_on_and_on
publish_on_and_on(sys.argv[1])
"""
ROOT = Path(__file__).parents[2]


def publish_on_and_on(home: str) -> None:
    """Publish release after release, with a dot for each, until this process is killed."""
    with hold_lock(Path(home)):
        sweep_home(Path(home), min_age_seconds=0)
        for number in count(max(map(int, model_versions(Path(home))), default=0) + 1):
            release = make_release(Path(home), seed=number, model_version=str(number))
            publish_release(Path(home), release)
            sys.stdout.write(".")
            sys.stdout.flush()


def publish_and_kill(home: Path, seconds: float) -> int:
    """Let the program publish for some time after its first release, kill it, and return its releases."""
    command = [sys.executable, "-c", PROGRAM, home]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as publisher:
        assert publisher.stdout.read(1) == b"."
        time.sleep(seconds)
        publisher.kill()
        assert publisher.wait() == -9
        return 1 + len(publisher.stdout.read())


def assert_whole(home: Path, release: Release) -> None:
    verify_release(home, release)
    panel = read_panel(snapshot_folder(home, release.data_version))
    # The pair belongs together: the model's number is the seed of the data.
    expected = small_panel(seed=int(release.model_version))
    np.testing.assert_array_equal(panel.values["total_revenue"], expected.values["total_revenue"])
    assert verify_folder(model_folder(home, release.model_version)).details["run_id"] == release.run_id


def kill_often(home: Path, kills: int, seed: int) -> None:
    moments = random.Random(seed)
    published = 0
    for _ in range(kills):
        before = release_history(home)
        published += publish_and_kill(home, moments.uniform(0, 0.05))
        history = release_history(home)
        assert current_release(home) == history[-1]
        assert history[: len(before)] == before
        # A kill between the pointer and the print may hide one release a round.
        assert published <= len(history) <= published + kills
        assert [release.version for release in history] == list(range(1, len(history) + 1))
        for release in history[max(0, len(before) - 1) :]:
            assert_whole(home, release)
    for release in history:
        assert_whole(home, release)


def test_kills_at_random_moments(tmp_path: Path) -> None:
    kill_often(tmp_path, kills=20, seed=1)
