"""Which content of the landing folder a run says that it has read."""

from pathlib import Path

import pytest

from studio_pipeline.assets import raw_data
from studio_pipeline.configuration import Configuration
from studio_pipeline.panel.ingest.folder_scan import landing_digest
from studio_pipeline.panel.ingest.landing import RawMonths
from studio_pipeline.settings import Settings, read_settings

ROW = "studio_id,month_year,total_revenue\na,2024-01,100\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    read = read_settings(None, home=tmp_path / "home")
    read.landing_dir.mkdir(parents=True)
    (read.landing_dir / "a.csv").write_text(ROW)
    return read


def digest_of_run(settings: Settings) -> str:
    result = next(raw_data.raw_studio_months(settings, Configuration()))
    return str(result.metadata["landing_digest"])


def test_a_run_tells_the_content_that_it_read(settings: Settings) -> None:
    assert digest_of_run(settings) == landing_digest(settings.landing_dir)


def test_a_file_that_changes_while_it_is_read_is_not_called_read(settings, monkeypatch) -> None:
    read_months = raw_data.read_months

    def interrupted(*arguments: object) -> RawMonths:
        raw = read_months(*arguments)
        (settings.landing_dir / "a.csv").write_text(ROW.replace("100", "101"))
        return raw

    monkeypatch.setattr(raw_data, "read_months", interrupted)
    assert digest_of_run(settings) == ""
