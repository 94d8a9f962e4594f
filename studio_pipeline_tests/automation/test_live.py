"""`studio up` by itself: a dropped file becomes a release, a bad one an alert, and its correction heals.

Run with -rP to see how long each step took.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from studio_pipeline.panel.generator.months import generate_months
from studio_pipeline.panel.generator.options import GeneratorConfig
from studio_pipeline_tests.automation.fake_webhook import FakeWebhook, fake_webhook
from studio_pipeline_tests.benchmarks.kills import KilledHome, free_ports, wait_for
from studio_pipeline_tests.cli.conftest import QUICK
from studio_pipeline_tests.worlds import HISTORY_COLUMNS

STUDIOS, MONTHS = 12, 36
MONEY = [name for name in HISTORY_COLUMNS if name.endswith("_revenue")]
PATIENCE_SECONDS = 600.0


def months(studios: int, number: int) -> pd.DataFrame:
    """As files of a fleet hold them."""
    generated = generate_months(GeneratorConfig(studios=studios, months=number))[list(HISTORY_COLUMNS)]
    return generated.assign(month_year=generated["month_year"].dt.strftime("%Y-%m-%d"))


def waited(condition: Callable[[], bool], what: str) -> None:
    sys.stdout.write(f"{what}: {wait_for(what, condition, PATIENCE_SECONDS):.0f} s\n")


def processes_of(home: Path) -> list[str]:
    """Command lines of the living processes that were started for this home."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"STUDIO_HOME={home}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_files_become_releases_and_bad_ones_alerts_with_no_hand_on_it(tmp_path: Path) -> None:
    """A small fleet and a quick recipe; `campaigns/test_live_fleet.py` has 300 studios and the usual one."""
    live_through(tmp_path, months(STUDIOS, MONTHS), yaml.safe_dump(QUICK))


def live_through(folder: Path, table: pd.DataFrame, recipe: str) -> None:
    """Three months arrive, the second and the third at first with wrong figures; no process is left."""
    (folder / "quick.yaml").write_text(recipe)
    *_, first, second, third = sorted(table["month_year"].unique())
    of = {month: table[table["month_year"] == month] for month in (first, second, third)}
    studio = KilledHome(folder / "home", free_ports(), table)
    service, web = studio.ports
    studio._land("history.csv", table[table["month_year"] < first])
    with fake_webhook() as webhook:
        settings = {"STUDIO_ALERT_WEBHOOK_URL": webhook.url}
        studio.up = studio.studio("up", "--port", str(service), "--dagster-port", str(web), **settings)
        try:
            waited(lambda: bool(current(studio)), "first release served")
            studio._land("next.csv", of[first])
            waited(lambda: current(studio).get("last_month") == first, "next month served")

            poisoned = of[second].assign(retention_rate=of[second]["retention_rate"] * 100)
            refused_and_healed(studio, webhook, second, poisoned, of[second])

            dear = of[third].assign(**{name: of[third][name] * 100 for name in MONEY})
            refused_and_healed(studio, webhook, third, dear, of[third])
            assert studio.answer("/api/v1/health")["status"] == "healthy"
            assert len(processes_of(studio.home)) >= 5
        finally:
            studio.stop()
    assert studio.up.returncode == 0
    assert processes_of(studio.home) == []
    said = (folder / "studio.log").read_text()
    assert f"\nService: http://127.0.0.1:{service}\nDagster: http://127.0.0.1:{web}\n" in said


def current(studio: KilledHome) -> dict[str, object]:
    """What `/models/current` says; empty while nobody answers."""
    assert studio.up.poll() is None, "studio up has ended"
    return studio.answer("/api/v1/models/current")


def refused_and_healed(
    studio: KilledHome, webhook: FakeWebhook, month: str, poisoned: pd.DataFrame, right: pd.DataFrame
) -> None:
    """A poisoned file leads to an alert while the old release answers; its correction to a release."""
    before, told = current(studio), len(webhook.texts)
    studio._land(f"{month}.csv", poisoned)
    waited(lambda: any("reject" in text for text in webhook.texts[told:]), f"alert of {month}")
    assert current(studio) == before
    told = len(webhook.texts)
    studio._land(f"{month}.csv", right)
    waited(lambda: current(studio).get("last_month") == month, f"corrected {month} served")
    assert current(studio)["version"] > before["version"]
    waited(lambda: any("Well again" in text for text in webhook.texts[told:]), f"word of {month}")
