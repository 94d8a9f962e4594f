"""Which content of the landing folder a run says that it has read."""

from studio_pipeline.assets import raw_data
from studio_pipeline.configuration import Configuration
from studio_pipeline.panel.ingest.folder_scan import landing_digest
from studio_pipeline.panel.ingest.landing import RawMonths
from studio_pipeline.settings import read_settings

ROW = "studio_id,month_year,total_revenue\na,2024-01,100\n"


def test_a_run_tells_the_content_that_it_read_unless_it_changed_meanwhile(tmp_path, monkeypatch) -> None:
    settings = read_settings(None, home=tmp_path / "home")
    settings.landing_dir.mkdir(parents=True)
    (settings.landing_dir / "a.csv").write_text(ROW)

    def digest_of_run() -> object:
        return next(raw_data.raw_studio_months(settings, Configuration())).metadata["landing_digest"]

    assert digest_of_run() == landing_digest(settings.landing_dir)
    read_months = raw_data.read_months

    def interrupted(*arguments: object) -> RawMonths:
        raw = read_months(*arguments)
        (settings.landing_dir / "a.csv").write_text(ROW.replace("100", "101"))
        return raw

    monkeypatch.setattr(raw_data, "read_months", interrupted)
    assert digest_of_run() == ""
