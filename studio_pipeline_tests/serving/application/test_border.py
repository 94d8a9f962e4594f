"""What the service loads, and what it does when it is only imported."""

from pathlib import Path

from processes import FORBIDDEN, python

LOOK = f"""
import sys
import serving.app
import serving.server
print(sorted(set({FORBIDDEN}) & set(sys.modules)))
"""


def test_importing_the_service_brings_no_training_library(tmp_path: Path) -> None:
    assert python(tmp_path, "-c", LOOK) == "[]\n"


def test_importing_the_service_does_no_io(tmp_path: Path) -> None:
    # A wrong setting would stop an import that reads the settings.
    python(tmp_path, "-c", "import serving.app", STUDIO_HOME="home", STUDIO_RATE_LIMIT="rubbish")
    assert list(tmp_path.iterdir()) == []
