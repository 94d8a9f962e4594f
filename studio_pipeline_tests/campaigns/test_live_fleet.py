"""`studio up` by itself on five years of 300 studios; run with -rP to see how long each step took."""

from pathlib import Path

import pandas as pd
import pytest

from studio_pipeline_tests.automation.test_live import live_through, months

ALPHA = Path(__file__).parents[3] / "shared" / "worlds" / "alpha" / "history.csv"


@pytest.mark.campaign
@pytest.mark.timeout(2400)
def test_files_of_300_studios_become_releases_and_bad_ones_alerts(tmp_path: Path) -> None:
    table = pd.read_csv(ALPHA) if ALPHA.exists() else months(300, 60)
    live_through(tmp_path, table, "# all as by default\n")
