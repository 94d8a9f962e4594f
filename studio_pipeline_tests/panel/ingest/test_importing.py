import pytest

from studio_pipeline.errors import ColumnMapError, StorageError
from studio_pipeline.panel.ingest.importing import import_files
from studio_pipeline.panel.validation.limits import ValidationConfig
from studio_pipeline_tests.panel.conftest import BROADWAY_MAP

ROW = "studio_id,month_year,total_revenue,total_members\n"


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()

    def write(name, text):
        (folder / name).write_text(text)
        return folder / name

    return write


@pytest.fixture
def bring(landing, now):
    return lambda files, column_map=None: import_files(
        files, column_map, landing.folder, ValidationConfig(), landing.ledger, now
    )


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_lands_as_it_is_and_is_told(landing, own, bring):
    file = own("a.csv", ROW + "a,2024-01,100,10\na,2024-02,-5,10\n")
    report = bring([file])
    assert (landing.folder / "a.csv").read_bytes() == file.read_bytes()
    text = str(report)
    assert f"a.csv: copied to {landing.folder / 'a.csv'}: 2 rows." in text
    assert "1 row will be rejected:\n    line 3, total_revenue '-5': is negative" in text
    assert landing.validate().rejected["line"].tolist() == report.files[0].rejected["line"].tolist()


def test_the_map_lands_beside_its_file_and_faults_are_told_under_its_names(landing, own, bring):
    file = own("a.csv", "shop,month_year,umsatz,weather\na,2024-01,100,\na,2024-02,-5,\n")
    text = str(bring([file], own("shops.yaml", "columns: {studio_id: shop, total_revenue: umsatz}")))
    assert "line 3, total_revenue (umsatz) '-5': is negative" in text
    assert "Not used: weather." in text
    assert _names(landing.folder) == ["a.csv", "a.csv.columns.yaml"]
    assert landing.validate().frame["studio_id"].tolist() == ["a"]
    own("b.csv", "shop,month_year,total_revenue\nb,2024-01,100\n")
    own("b.columns.yaml", "columns: {studio_id: shop}")
    bring([file.with_name("b.csv")])
    assert "b.csv.columns.yaml" in _names(landing.folder)


def test_the_same_file_again_changes_nothing(landing, own, bring):
    file = own("a.csv", ROW + "a,2024-01,100,10\n")
    bring([file])
    before = (landing.folder / "a.csv").stat()
    report = bring([file])
    assert report.files[0].already_there
    assert _names(landing.folder) == ["a.csv"]
    assert (landing.folder / "a.csv").stat() == before


def test_another_file_of_the_same_name_gets_its_own(landing, own, bring):
    bring([own("a.csv", ROW + "a,2024-01,100,10\n")])
    report = bring([own("a.csv", ROW + "a,2024-01,120,10\n")])
    assert report.files[0].landed == landing.folder / "a-2.csv"
    assert f"delete {landing.folder / 'a.csv'}." in str(report)
    assert _names(landing.folder) == ["a-2.csv", "a.csv"]
    assert b"100" in (landing.folder / "a.csv").read_bytes()


def test_what_can_not_be_read_is_refused_and_the_others_go_on(landing, own, bring, tmp_path):
    report = bring([tmp_path / "nowhere.csv", own("empty.csv", ""), own("a.csv", ROW + "a,2024-01,100,10\n")])
    assert _names(landing.folder) == ["a.csv"]
    assert [file.source.name for file in report.refused] == ["nowhere.csv", "empty.csv"]
    assert "Refused: nowhere.csv: is not there. Check its path." in str(report).splitlines()
    with pytest.raises(ColumnMapError, match="colums"):
        bring([own("b.csv", ROW)], own("map.yaml", "colums: {}"))
    assert _names(landing.folder) == ["a.csv"], "a wrong map stops the import"


def test_rows_are_judged_beside_those_that_are_there(landing, own, bring):
    months = "".join(f"a,2023-{month:02d},{1000 + month},10\n" for month in range(1, 13))
    bring([own("a.csv", ROW + months)])
    report = bring([own("b.csv", ROW + "a,2023-01,100000,10\na,2024-01,100000,10\n")])
    assert report.files[0].rejected["column"].tolist() == ["total_revenue"] * 2
    assert "out of all proportion" in str(report)
    assert "or if a.csv, which has another value here, is the wrong one" in str(report)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_nothing_half_written(landing, own, bring):
    with pytest.raises(StorageError, match=r"No space left on device.*Free disk space"):
        bring([own("a.csv", ROW + "a,2024-01,100,10\n")])
    assert _names(landing.folder) == []


def test_the_real_file_goes_in_with_its_map(landing, shared, bring):
    report = bring([shared / "data" / "broadway_monthly.csv"], BROADWAY_MAP)
    imported = report.files[0]
    assert (imported.read.table.num_rows, imported.read.left_out) == (3679, 135)
    assert (len(imported.rejected), len(imported.warnings)) == (0, 366)
    assert "135 more rows are left out by the map" in str(report)
    validated = landing.validate()
    assert (len(validated.frame), validated.frame["studio_id"].nunique()) == (3679, 76)
    assert validated.warnings["reason"].value_counts().to_dict() == {"kept as 1: standing room": 366}


def test_a_month_that_will_stop_a_run_is_told(landing, own, bring):
    rows = "".join(f"{name},2024-01,100,10\n" for name in "abcdefghijklmnopqrstuvwxyz")
    assert not bring([own("a.csv", ROW + rows)]).stops_over
    report = bring([own("b.csv", ROW + "a,2023-12,-5,10\n")])
    assert str(report).endswith(
        "A run will stop over 2023-12: 1 of 1 rows were rejected (100%, at most 5%). They stand in b.csv."
    )
    (told,) = bring([own("c.csv", ROW + "a,2024-01,-5,10\nb,2023-12,5,10\n")]).stops_over
    assert told == "2023-12: 1 of 2 rows were rejected (50%, at most 5%). They stand in b.csv."


BAD, GOOD = ROW + "a,2024-01,-5,10\n", ROW + "a,2024-01,5,10\n"


def test_a_fault_that_is_corrected_stops_no_run(landing, own, bring):
    report = bring([own("bad.csv", BAD), own("good.csv", GOOD)])
    assert report.files[0].rejected["line"].tolist() == [2]
    assert not report.stops_over
    landing.read()
    assert not bring([own("bad.csv", BAD)]).stops_over, "it is there, and older than what corrects it"


def test_a_file_that_is_there_under_a_number_counts_once(landing, own, bring):
    rows = "".join(f"s{number},2024-01,100,10\n" for number in range(29))
    bring([own("a.csv", GOOD)])
    again = [bring([own("a.csv", ROW + rows + "t,2024-01,-5,10\n")]) for _ in range(2)]
    assert [report.files[0].landed.name for report in again] == ["a-2.csv"] * 2
    assert not any(report.stops_over for report in again)
    (told,) = bring([own("c.csv", ROW + "u,2024-01,-5,10\n")]).stops_over
    assert told.endswith("They stand in a-2.csv, c.csv.")


def test_a_name_that_only_a_map_has_is_no_other_file(landing, own, bring):
    landing.put("a.csv.columns.yaml", "columns: {studio_id: shop}")
    report = bring([own("a.csv", "laden" + GOOD[9:])], own("m.yaml", "columns: {studio_id: laden}"))
    assert report.files[0].landed.name == "a-2.csv"
    assert "Another" not in str(report)
