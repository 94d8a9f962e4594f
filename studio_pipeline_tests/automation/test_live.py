"""`studio up` by itself: a dropped file becomes a release, a bad one an alert, and its correction heals.

Run with -rP to see how long each step took.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml

from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.automation.fake_webhook import FakeWebhook, fake_webhook
from studio_pipeline_tests.cli.conftest import QUICK, start_studio
from studio_pipeline_tests.serving.processes import free_port
from studio_pipeline_tests.worlds import HISTORY_COLUMNS

STUDIOS, MONTHS = 12, 36
MONEY = [name for name in HISTORY_COLUMNS if name.endswith("_revenue")]
PATIENCE_SECONDS = 600.0


def months(studios: int, number: int) -> pd.DataFrame:
    """As files of a fleet hold them."""
    generated = generate_months(GeneratorConfig(studios=studios, months=number))[list(HISTORY_COLUMNS)]
    return generated.assign(month_year=generated["month_year"].dt.strftime("%Y-%m-%d"))


class Live:
    def __init__(self, home: Path, port: int, process: subprocess.Popen[str]) -> None:
        self.home = home
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)
        self._process = process

    def close(self) -> None:
        self._client.close()

    def current(self) -> dict[str, Any]:
        """What `/models/current` says; empty while nobody answers."""
        assert self._process.poll() is None, "studio up has ended"
        try:
            answer = self._client.get("/api/v1/models/current")
        except httpx.TransportError:
            return {}
        return answer.json() if answer.status_code == 200 else {}

    def drop(self, name: str, table: pd.DataFrame) -> float:
        """Put a file into the landing folder at once, and say when that was."""
        landing = self.home / "landing"
        landing.mkdir(parents=True, exist_ok=True)
        hidden = landing / f".{name}.part"
        table.to_csv(hidden, index=False)
        hidden.replace(landing / name)
        return time.monotonic()


@contextmanager
def live(home: Path, webhook: FakeWebhook, recipe: Path | None) -> Iterator[Live]:
    port, dagster_port = free_port(), free_port()
    settings = {"STUDIO_ALERT_WEBHOOK_URL": webhook.url}
    if recipe is not None:
        settings["STUDIO_CONFIG"] = str(recipe)
    ports = ("--port", str(port), "--dagster-port", str(dagster_port))
    with (
        (home / "up.log").open("wb") as log,
        start_studio(home, "up", *ports, log=log, **settings) as process,
    ):
        studio = Live(home, port, process)
        try:
            yield studio
        finally:
            studio.close()
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def waited(condition: Callable[[], bool], what: str, since: float) -> float:
    """Seconds from `since` until a condition held."""
    while not condition():
        assert time.monotonic() - since < PATIENCE_SECONDS, f"{what} did not happen"
        time.sleep(0.2)
    seconds = time.monotonic() - since
    sys.stdout.write(f"{what}: {seconds:.0f} s\n")
    return seconds


@pytest.mark.slow
def test_files_become_releases_and_bad_ones_alerts_with_no_hand_on_it(tmp_path: Path) -> None:
    """A small fleet and a quick recipe; `campaigns/test_live_fleet.py` has 300 studios and the usual one."""
    recipe = tmp_path / "quick.yaml"
    recipe.write_text(yaml.safe_dump(QUICK))
    live_through(tmp_path, months(STUDIOS, MONTHS), recipe)


def live_through(home: Path, table: pd.DataFrame, recipe: Path | None) -> None:
    """Three months arrive, the second and the third at first with wrong figures."""
    *_, first, second, third = sorted(table["month_year"].unique())
    of = {month: table[table["month_year"] == month] for month in (first, second, third)}
    with fake_webhook() as webhook:
        (home / "landing").mkdir()
        table[table["month_year"] < first].to_csv(home / "landing" / "history.csv", index=False)
        with live(home, webhook, recipe) as studio:
            waited(lambda: bool(studio.current()), "first release served", time.monotonic())
            begun = studio.drop("next.csv", of[first])
            waited(lambda: studio.current().get("last_month") == first, "next month served", begun)

            poisoned = of[second].assign(retention_rate=of[second]["retention_rate"] * 100)
            refused_and_healed(studio, webhook, second, poisoned, of[second])

            dear = of[third].assign(**{name: of[third][name] * 100 for name in MONEY})
            refused_and_healed(studio, webhook, third, dear, of[third])


def refused_and_healed(
    studio: Live, webhook: FakeWebhook, month: str, poisoned: pd.DataFrame, right: pd.DataFrame
) -> None:
    """A poisoned file leads to an alert while the old release answers; its correction to a release."""
    before, told = studio.current(), len(webhook.texts)
    name = f"{month}.csv"
    begun = studio.drop(name, poisoned)
    waited(lambda: any("reject" in text for text in webhook.texts[told:]), f"alert of {month}", begun)
    assert studio.current() == before
    told = len(webhook.texts)
    begun = studio.drop(name, right)
    waited(lambda: studio.current().get("last_month") == month, f"corrected {month} served", begun)
    assert studio.current()["version"] > before["version"]
    waited(lambda: any("Well again" in text for text in webhook.texts[told:]), f"word of {month}", begun)
