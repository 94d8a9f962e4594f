"""The search on objectives whose best value is known: it finds it, ends in time, and goes on after a kill."""

import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest

from studio_pipeline.tuning.result import IMPORTANCE_COLUMNS, TRIAL_COLUMNS, importances_of, trials_table
from studio_pipeline.tuning.search import (
    Objective,
    SearchConditions,
    best_trial,
    ended,
    search,
    spent_seconds,
)
from studio_pipeline.tuning.spaces import Range, Space, Values
from studio_pipeline.tuning.studies import open_storage, open_study, prune_studies

SPACE: Space = {"rate": Range(0.01, 1.0, is_log=True), "depth": Range(1, 8, is_whole=True)}
START = {"rate": 0.01, "depth": 8}
KEY = ("xgboost", "a" * 16)


def bowl(values: Values, fold: int) -> float:
    """Lowest at a rate of 0.2 and a depth of 3."""
    return (values["rate"] - 0.2) ** 2 + 0.01 * (values["depth"] - 3) ** 2 + 0.001 * fold


def conditions(trials: int, life: str = "first", budget_seconds: float = 60.0) -> SearchConditions:
    return SearchConditions(budget_seconds, trials, 7, life)


def tried(study: optuna.Study) -> list[tuple[dict[str, float], str]]:
    return [(dict(trial.params), trial.state.name) for trial in ended(study)]


@pytest.fixture
def study() -> optuna.Study:
    """In memory: as good as a file where nothing is killed, and quicker."""
    return open_study(optuna.storages.InMemoryStorage(), *KEY)


def test_it_finds_what_is_better_than_the_start(study: optuna.Study) -> None:
    reason = search(study, Objective(bowl, 2), SPACE, [START], conditions(40))
    best = best_trial(study)
    assert reason == "all 40 trials are done"
    assert dict(ended(study)[0].params) == START
    assert best.value < 0.1 * sum(bowl(START, fold) for fold in range(2))


def test_it_goes_on_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    whole = open_study(open_storage(tmp_path / "whole"), *KEY)
    search(whole, Objective(bowl, 2), SPACE, [START], conditions(18))
    halves = open_storage(tmp_path / "halves")
    search(open_study(halves, *KEY), Objective(bowl, 2), SPACE, [START], conditions(13))
    # What a kill leaves: a trial that was asked for and never told.
    open_study(halves, *KEY).ask()
    again = open_study(open_storage(tmp_path / "halves"), *KEY)
    search(again, Objective(bowl, 2), SPACE, [START], conditions(18, "second"))
    assert tried(again) == tried(whole)
    assert {trial.user_attrs["life"] for trial in ended(again)} == {"first", "second"}
    assert {trial.state.name for trial in again.trials} == {"COMPLETE", "PRUNED", "FAIL"}


def test_the_budget_is_kept_within_one_trial_and_counts_earlier_lives(study) -> None:
    def slow(values: Values, fold: int) -> float:
        time.sleep(0.1)
        return bowl(values, fold)

    began = time.monotonic()
    reason = search(study, Objective(slow, 1), SPACE, [START], conditions(1000, budget_seconds=1.0))
    # A trial takes 0.1 s, and a loaded machine some more.
    assert time.monotonic() - began < 3.0
    assert reason == "the budget of 1 s is spent"
    before = len(ended(study))
    assert 2 <= before <= 10
    spent = spent_seconds(study)
    assert spent == pytest.approx(0.1 * before, rel=1.0)
    search(study, Objective(slow, 1), SPACE, [START], conditions(1000, "second", budget_seconds=spent))
    assert len(ended(study)) == before


def test_bad_trials_are_given_up_after_a_fold(study: optuna.Study) -> None:
    asked = []

    def counted(values: Values, fold: int) -> float:
        asked.append(fold)
        return bowl(values, fold)

    search(study, Objective(counted, 3), SPACE, [START], conditions(30))
    given_up = [trial for trial in ended(study) if trial.state.name == "PRUNED"]
    assert given_up
    assert len(asked) < 3 * 30
    assert best_trial(study) not in given_up


def test_losses_that_are_no_number_are_bad_ones(study: optuna.Study) -> None:
    def loss(values: Values, fold: int) -> float:
        return float("nan") if values["depth"] > 4 else bowl(values, fold)

    search(study, Objective(loss, 1), SPACE, [{"rate": 0.01, "depth": 2}], conditions(25))
    best = best_trial(study)
    assert best.params["depth"] <= 4


def test_only_the_latest_studies_are_kept(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    for digest in ("1" * 16, "2" * 16, "3" * 16):
        for learner in ("xgboost", "random_forest"):
            open_study(storage, learner, digest)
    assert sorted(prune_studies(storage, 2)) == ["random_forest-" + "1" * 16, "xgboost-" + "1" * 16]
    left = optuna.get_all_study_names(storage)
    assert len(left) == 4
    assert prune_studies(storage, 2) == []


def test_a_study_as_tables(study: optuna.Study) -> None:
    search(study, Objective(bowl, 2), SPACE, [START], conditions(30))
    table, shares = trials_table("xgboost", study), importances_of("xgboost", study)
    assert list(table) == list(TRIAL_COLUMNS)
    assert list(shares) == list(IMPORTANCE_COLUMNS)
    assert table["best_so_far"].is_monotonic_decreasing
    assert table.loc[table["state"] == "given up", "loss"].isna().all()
    assert shares["importance"].sum() == pytest.approx(1.0)
    assert set(shares["hyperparameter"]) == set(SPACE)


PROGRAM = """
import sys
from studio_pipeline_tests.tuning.test_search import search_slowly
search_slowly(*sys.argv[1:])
"""


def search_slowly(home: str, life: str) -> None:
    """A search that writes a dot for each trial, slow enough to be killed in the middle of one."""

    def loss(values: Values, fold: int) -> float:
        if fold == 0:
            sys.stdout.write(".")
            sys.stdout.flush()
        time.sleep(0.05)
        return bowl(values, fold)

    study = open_study(open_storage(Path(home)), *KEY)
    search(study, Objective(loss, 2), SPACE, [START], conditions(1000, life, budget_seconds=600.0))


def searched_and_killed(home: Path, life: str, begun: int) -> None:
    command = [sys.executable, "-c", PROGRAM, home, life]
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
