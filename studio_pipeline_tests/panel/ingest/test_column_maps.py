import pytest

from studio_pipeline.errors import ColumnMapError
from studio_pipeline.panel.ingest.column_maps import ColumnMap, check_against, map_beside, read_column_map


def _map(tmp_path, text):
    path = tmp_path / "x.columns.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("columns: {revenues: a}", "'revenues' is not one of our columns"),
        ("constants: {studio_kind: Yoga}", "'studio_kind' is not one of our columns"),
        ("colums: {studio_id: a}", "field colums"),
        ("decimal: ';'", "field decimal"),
        ('{decimal: ",", thousands: ","}', "decimal and thousands are both ','"),
        ("month_format: YYYY-MM", "month_format 'YYYY-MM' has no % code"),
        ("{columns: {studio_type: kind}, constants: {studio_type: Yoga}}", "'studio_type' stands under both"),
        ("columns: {studio_id: [", "line 1: is not YAML"),
        ("month_format: '%Q'", "month_format '%Q' doesn't give month and year"),
        ("month_format: '%d.%m.'", "month_format '%d.%m.' doesn't give month and year"),
        ("columns: {}\ncolumns: {}", "line 2: the key 'columns' is there twice"),
        ("constants: {total_revenue: abc}", "constants.total_revenue is 'abc', which is not a number"),
        ("constants: {total_revenue: nan}", "constants.total_revenue is 'nan', which is not a number"),
        ("constants: {total_members: -1}", "constants.total_members is '-1', which is negative"),
        ("constants: {retention_rate: 93}", "constants.retention_rate is '93', which is above 1"),
        ("constants: {month_year: May}", "constants.month_year is 'May', which is not a month"),
        ("constants: {studio_id: ''}", "constants.studio_id is '', which names nothing"),
        ("- a list", "Input should be a valid dictionary"),
    ],
)
def test_a_wrong_map_is_told_with_file_field_and_remedy(tmp_path, text, named):
    with pytest.raises(ColumnMapError) as caught:
        read_column_map(_map(tmp_path, text))
    assert caught.value.what.startswith("x.columns.yaml")
    assert named in caught.value.what
    assert caught.value.remedy


def test_a_map_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ColumnMapError) as caught:
        read_column_map(tmp_path / "absent.yaml")
    assert (caught.value.what, caught.value.remedy) == ("absent.yaml: is not there.", "Check the path.")


@pytest.mark.parametrize("month_format", ["%Y-%m", "%d.%m.%Y", "%b %Y", "%B %y", "%m/%d/%Y %H:%M", "%Y%m"])
def test_forms_that_tell_a_month_are_taken(month_format):
    assert ColumnMap(month_format=month_format).month_format == month_format


def test_scalars_of_yaml_become_the_text_of_a_file(tmp_path):
    column_map = read_column_map(
        _map(tmp_path, "{constants: {class_capacity: 12.5}, where: {full: [1, yes], day: 2024-01-01}}")
    )
    assert column_map.constants["class_capacity"] == "12.5"
    assert column_map.where == {"full": ("1", "True"), "day": ("2024-01-01",)}
    assert read_column_map(_map(tmp_path, "# nothing yet\n")) == ColumnMap()


def test_the_nearest_map_applies(tmp_path):
    folder = tmp_path / "landing" / "north"
    folder.mkdir(parents=True)
    file = folder / "a.csv"
    root = tmp_path / "landing"
    assert map_beside(file, root) is None
    (tmp_path / "columns.yaml").write_text("{}")
    assert map_beside(file, root) is None, "a map above the landing folder does not count"
    for name in ("columns.yaml", "north/columns.yaml", "north/a.columns.yaml", "north/a.csv.columns.yaml"):
        (root / name).write_text("{}")
        assert map_beside(file, root) == root / name


def test_a_column_is_taken_by_its_own_name_unless_the_map_says_otherwise():
    file_columns = ["studio_id", "month_year", "total_revenue", "upsell_rate", "visits"]
    column_map = ColumnMap(columns={"total_members": "visits", "upsell_rate": None})
    assert column_map.source_of("studio_id", file_columns) == "studio_id"
    assert column_map.source_of("total_members", file_columns) == "visits"
    assert column_map.source_of("upsell_rate", file_columns) is None
    assert column_map.source_of("staff_count", file_columns) is None
    check_against(column_map, "a.csv", file_columns)


@pytest.mark.parametrize(
    ("column_map", "named"),
    [
        (ColumnMap(columns={"total_members": "guests"}), "columns.total_members names the column 'guests'"),
        (ColumnMap(where={"full": ("1",)}), "where.full names the column 'full'"),
        (ColumnMap(columns={"total_revenue": None}), "required column 'total_revenue' is not there"),
    ],
)
def test_a_map_that_does_not_fit_its_file_names_what_the_file_has(column_map, named):
    with pytest.raises(ColumnMapError) as caught:
        check_against(column_map, "a.csv", ["studio_id", "month_year", "total_revenue"])
    assert caught.value.what.startswith("a.csv:")
    assert named in caught.value.what
    assert "The file has: studio_id, month_year, total_revenue." in caught.value.remedy
