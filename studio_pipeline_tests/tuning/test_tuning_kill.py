"""A search killed with -9 in the middle of a trial is gone on with, as if nothing had happened."""

import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from studio_pipeline.tuning.search import Objective, ended, search
from studio_pipeline.tuning.studies import open_storage, open_study
from studio_pipeline_tests.tuning.test_search import KEY, SPACE, START, bowl, conditions, tried

PROGRAM = "studio_pipeline_tests.tuning.search_in_a_process"


def searched_and_killed(home: Path, life: str, begun: int) -> None:
    command = [sys.executable, "-m", PROGRAM, home, life, "1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout.read(begun) == b"." * begun
        process.kill()
        assert process.wait() == -9


@pytest.mark.slow
def test_killed_twice_it_ends_as_the_same_study(tmp_path: Path) -> None:
    searched_and_killed(tmp_path, "first", 6)
    searched_and_killed(tmp_path, "second", 8)
    study = open_study(open_storage(tmp_path), *KEY)
    search(study, Objective(bowl, 2), SPACE, [START], conditions(20, "third"))
    assert {trial.user_attrs["life"] for trial in ended(study)} == {"first", "second", "third"}
    assert len(ended(study)) == 20
    whole = optuna.create_study(storage=optuna.storages.InMemoryStorage(), direction="minimize")
    search(whole, Objective(bowl, 2), SPACE, [START], conditions(20))
    assert tried(study) == tried(whole)
