"""Structure of the code base: sizes of folders and modules, and the prose of docstrings and comments."""

import ast
import re
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("studio_pipeline", "serving")
MOST_MODULES, MOST_LINES = 15, 350
OPENING = re.compile(r"(What|How|Whether|From|Where|Who|Why)\b")
FORBIDDEN = re.compile(r"\b(told|nobody|whoever)\b", re.IGNORECASE)


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_no_folder_holds_too_many_modules() -> None:
    found = Counter(path.parent.relative_to(ROOT) for path in sources(*PACKAGES, "studio_pipeline_tests"))
    assert found
    assert {str(folder): count for folder, count in found.items() if count > MOST_MODULES} == {}


def test_no_module_is_too_long() -> None:
    lengths = {str(p.relative_to(ROOT)): len(p.read_text("utf-8").splitlines()) for p in sources(*PACKAGES)}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def docstrings(path: Path) -> list[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, kinds)]
    return [text for node in nodes if (text := ast.get_docstring(node))]


def test_docstrings_name_things() -> None:
    opened = [
        f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"
        for path in sources(*PACKAGES)
        for text in docstrings(path)
        if OPENING.match(text)
    ]
    assert opened == []


def prose(path: Path) -> str:
    with path.open("rb") as file:
        comments = [t.string for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT]
    return "\n".join([*docstrings(path), *comments])


def test_prose_is_plain() -> None:
    found = {
        str(path.relative_to(ROOT)): words
        for path in sources(*PACKAGES)
        if (words := FORBIDDEN.findall(re.sub(r"`[^`]*`", "", prose(path))))
    }
    assert found == {}


def test_the_rules_find_what_they_forbid(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""What nobody knows."""\n\nX = 1  # told by all\n', "utf-8")
    assert OPENING.match(docstrings(module)[0])
    assert FORBIDDEN.findall(prose(module)) == ["nobody", "told"]
