"""A publisher killed with -9 at any moment leaves a complete release and takes no older one away."""

import random
import subprocess
import sys
import time
from pathlib import Path

from studio_pipeline.publishing.folders import verify_folder
from studio_pipeline.publishing.layout import model_folder, snapshot_folder
from studio_pipeline.publishing.releases import (
    Release,
    current_release,
    publish_release,
    release_history,
    verify_release,
)
from studio_pipeline.publishing.snapshots import read_panel

PROGRAM = Path(__file__).with_name("publish_in_a_loop.py")


def publish_and_kill(home: Path, seconds: float) -> int:
    """Let the program publish for some time after its first release, kill it, and return its releases."""
    with subprocess.Popen([sys.executable, PROGRAM, home], stdout=subprocess.PIPE) as publisher:
        assert publisher.stdout.read(1) == b"."
        time.sleep(seconds)
        publisher.kill()
        assert publisher.wait() == -9
        return 1 + len(publisher.stdout.read())


def assert_whole(home: Path, release: Release) -> None:
    verify_release(home, release)
    panel = read_panel(snapshot_folder(home, release.data_version))
    # The pair belongs together: the data of release n hold the model's number.
    assert panel.values["total_revenue"][0, 0] == float(release.model_version)
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


def test_the_next_publisher_takes_over_from_a_killed_one(tmp_path: Path) -> None:
    publish_and_kill(tmp_path, 0.01)
    (tmp_path / "models" / ".writing-99-1-ab").mkdir()
    publish_and_kill(tmp_path, 0.01)
    assert not (tmp_path / "models" / ".writing-99-1-ab").exists()
    again = publish_release(tmp_path, current_release(tmp_path))
    assert again.version == len(release_history(tmp_path))
