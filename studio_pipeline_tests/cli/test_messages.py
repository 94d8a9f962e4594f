"""Commands are suggested by the name that finds them."""

from pathlib import Path

import pytest

from studio_pipeline.cli.messages import as_called, indented


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `studio` that was called by its path, relative to the working directory."""
    path = tmp_path / ".venv" / "bin" / "studio"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [".venv/bin/studio", "run"])
    monkeypatch.setenv("PATH", str(tmp_path))
    return path


@pytest.mark.usefixtures("program")
def test_a_program_that_is_not_on_the_path_is_named_as_it_was_called() -> None:
    assert as_called("Next: `studio up`, `studio status`.") == (
        "Next: `.venv/bin/studio up`, `.venv/bin/studio status`."
    )
    assert indented("Run\n`studio run`") == "  Run\n  `.venv/bin/studio run`"


def test_a_program_on_the_path_has_its_short_name(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert as_called("`studio up`") == "`studio up`"


def test_another_program_of_that_name_on_the_path_is_not_meant(
    program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "studio"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    assert as_called("`studio up`") == "`.venv/bin/studio up`"


@pytest.mark.parametrize("called", ["/somewhere/studio_pipeline/cli/__main__.py", "-c", "/nowhere/studio"])
def test_what_is_no_such_program_has_the_short_name(monkeypatch: pytest.MonkeyPatch, called: str) -> None:
    monkeypatch.setattr("sys.argv", [called])
    assert as_called("`studio up`") == "`studio up`"
