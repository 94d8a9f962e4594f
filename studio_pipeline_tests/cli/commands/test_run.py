"""`studio run`: what it publishes, refuses and says; killed, it loses nothing that was published."""

import json
import logging
import os
import signal
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from studio_pipeline.cli.main import main
from studio_pipeline.evaluation.report import drawing
from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline.publishing.locks import hold_lock
from studio_pipeline.publishing.model_records import recipe_of
from studio_pipeline.publishing.releases import current_release, verify_release
from studio_pipeline_tests.cli.conftest import start_studio

# What MLflow and Dagster warn of is not this project's.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
STUDIOS, MONTHS = 12, 30


@dataclass(frozen=True)
class Studio:
    home: Path
    recipe: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return start_studio(self.home, *arguments, STUDIO_CONFIG=str(self.recipe))

    def __call__(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def inside(self, *arguments: str) -> tuple[int, str]:
        """The same in this process, which has imported most already, with figures that are not rendered."""
        level = logging.getLogger("dagster").level
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("STUDIO_")]:
                patch.delenv(name)
            patch.setattr(drawing, "to_png", lambda _: b"a picture")
            patch.chdir(self.home.parent)
            settings = {"STUDIO_HOME": str(self.home), "STUDIO_CONFIG": str(self.recipe)}
            shown = CliRunner(env=settings).invoke(main, arguments)
        logging.getLogger("dagster").setLevel(level)
        return shown.exit_code, shown.output

    def land(self, name: str, months: pd.DataFrame) -> Path:
        path = self.home / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        months.to_csv(path, index=False, date_format="%Y-%m-%d")
        return path


@pytest.fixture(scope="module")
def months() -> pd.DataFrame:
    return generate_months(GeneratorConfig(studios=STUDIOS, months=MONTHS))


@pytest.fixture(scope="module")
def published(tmp_path_factory, quick_recipe, months) -> tuple[Studio, str]:
    """A home with a release from real files, among them one that nobody can read."""
    studio = Studio(tmp_path_factory.mktemp("chain") / "home", quick_recipe)
    studio.land("months.csv", months)
    (studio.home / "landing" / "broken.parquet").write_bytes(b"PAR1 and no more")
    status, output = studio.inside("run")
    assert status == 0, output
    return studio, output


def test_a_run_publishes_and_tells(published: tuple[Studio, str]) -> None:
    studio, output = published
    release = current_release(studio.home)
    verify_release(studio.home, release)
    assert (release.source, str(release.last_month)[:7], release.model_version) == ("landing", "2024-12", "1")
    for part in ("evaluation_report", "Sample forecast: ", "this model", "persistence", "Release 1 is publ"):
        assert part in output
    assert f"Reading 2 files of {studio.home / 'landing'}." in output
    assert "broken.parquet" in output
    assert "Traceback" not in output
    forecasts = pd.read_csv(studio.home / "forecasts" / "studio_forecasts.csv")
    assert forecasts.groupby("studio_id")["horizon"].count().eq(12).all()
    assert forecasts["studio_id"].nunique() == STUDIOS
    chain = pd.read_parquet(studio.home / "forecasts" / "chain_forecast.parquet")
    assert chain["revenue"].sum() == pytest.approx(forecasts["revenue"].sum())
    assert (studio.home / "report.html").stat().st_size > 10_000
    stored = [path for part in ("assets", "models", "data") for path in (studio.home / part).rglob("*")]
    kinds = {path.suffix for path in stored if path.is_file()}
    assert kinds <= {"", ".parquet", ".json", ".npz", ".onnx", ".ubj", ".txt", ".skops"}, "nothing is pickled"
    status, shown = studio.inside("status")
    assert (status, "Release 1" in shown, "from real files, until 2024-12" in shown) == (0, True, True)


def test_the_champion_carries_run_and_data(published: tuple[Studio, str]) -> None:
    studio, _ = published
    release = current_release(studio.home)
    with sqlite3.connect(studio.home / "mlflow.db") as store:
        aliases = store.execute("select name, alias, version from registered_model_aliases").fetchall()
        tags = dict(store.execute("select key, value from model_version_tags").fetchall())
    store.close()
    assert aliases == [("studio_revenue", "champion", 1)]
    recipe = recipe_of(studio.home, release.model_version)
    versions = {"data_version": release.data_version, "recipe_version": recipe.version}
    assert tags == versions | {"dagster_run_id": release.run_id}


def test_synthetic_months_never_replace_real_ones(published: tuple[Studio, str]) -> None:
    studio, _ = published
    aside = studio.home.parent / "aside"
    (studio.home / "landing").rename(aside)
    try:
        before = current_release(studio.home)
        status, output = studio.inside("run", "--studios", "5", "--months", "30")
        assert status == 3
        assert "generated months" in output
        assert "Put files into the landing folder" in output
        assert current_release(studio.home) == before
    finally:
        aside.rename(studio.home / "landing")


def test_too_many_rejected_rows_stop_the_run(published: tuple[Studio, str], months: pd.DataFrame) -> None:
    studio, _ = published
    worse = months.tail(STUDIOS * 2).copy()
    worse["total_revenue"] = -1.0
    path = studio.land("worse.csv", worse)
    try:
        before = current_release(studio.home)
        status, output = studio.inside("run")
        assert status == 3, output
        assert "  A check stopped the run: few_rows_rejected of validated_studio_months:\n    - 20" in output
        assert "rows were rejected" in output
        assert current_release(studio.home) == before
        told = studio.inside("status")[1]
        assert "was refused" in told
        assert "  A check stopped the run: few_rows_rejected of validated_studio_months:\n    - 20" in told
    finally:
        path.unlink()


def test_two_runs_at_once_refuse_the_second(published: tuple[Studio, str]) -> None:
    studio, _ = published
    with hold_lock(studio.home):
        status, output = studio.inside("run")
    assert status == 1
    assert f"process {os.getpid()}" in output


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--studios", "0", "--studios: Input should be greater than or equal to 1."),
        ("--types", "", "--types: "),
        ("--seed", "-1", "--seed: "),
    ],
)
def test_a_wrong_option_is_named(tmp_path, quick_recipe, option, value, said) -> None:
    status, output = Studio(tmp_path / "home", quick_recipe).inside("run", option, value)
    assert status == 1
    assert output.split("\n  ")[1].startswith(said)
    assert "generator." not in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_killed_run_leaves_what_was_published(published: tuple[Studio, str], months: pd.DataFrame) -> None:
    studio, _ = published
    before = current_release(studio.home)
    for step in ("raw_studio_months", "xgboost_fit", "registered_model"):
        process = studio.start("run")
        assert any(line.startswith(f"  {step} ") for line in process.stdout)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        release = current_release(studio.home)
        verify_release(studio.home, release)
        assert release.version >= before.version
    status, output = studio("run")
    assert status == 0, output
    with sqlite3.connect(studio.home / "dagster" / "history" / "runs.db") as store:
        statuses = {status for (status,) in store.execute("select status from runs")}
    store.close()
    assert "STARTED" not in statuses
    assert json.loads((studio.home / "last_run.json").read_text())["status"] == 0


@pytest.mark.slow
def test_a_refused_model_leaves_the_old_one_to_serve_new_months(tmp_path, quick_recipe, months) -> None:
    # Too few to judge any model by: the first is published all the same, and a later one is refused.
    few = months[months["month_year"] > months["month_year"].max() - pd.DateOffset(months=9)]
    studio = Studio(tmp_path / "home", quick_recipe)
    studio.land("first.csv", few[few["month_year"] < few["month_year"].max()])
    status, output = studio("run")
    assert status == 0, output
    assert "The months are too few for a backtest" in output
    first = current_release(studio.home)

    status, output = studio("run")
    assert status == 0, output
    assert "\nNothing new: model 1 goes on; recipe and months are those that it was fitted on." in output
    assert "is published after" not in output
    assert current_release(studio.home) == first

    studio.land("second.csv", few[few["month_year"] == few["month_year"].max()])
    status, output = studio("run")
    assert status == 0, output
    assert output.count("too short to judge the model") == 1
    assert "\nThe new model is refused: the backtest is too short" in output
    assert "Model 1 goes on, now with the new months (release 2)." in output
    assert "is published after" not in output
    second = current_release(studio.home)
    assert second.model_version == first.model_version
    assert second.data_version != first.data_version
    assert (f"{second.last_month:%Y-%m}", second.version) == ("2024-12", 2)
    assert second.metrics == first.metrics
