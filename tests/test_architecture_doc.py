"""docs/architecture.md lists the modules that are there, each with its own first line; `make docs` writes the lists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("core", "workbench", "pages", "sample_data")


def modules(folder: str) -> list[Path]:
    """The modules of one folder; `__init__.py` only for the core, where it is the public face."""
    files = sorted((ROOT / folder).glob("*.py"))
    return [path for path in files if path.name != "__init__.py" or folder == "core"]


def first_line(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text()))
    assert docstring, f"{module.relative_to(ROOT)} does not say what it is for."
    return docstring.splitlines()[0].rstrip(".")


def table(folder: str) -> str:
    rows = [f"| `{path.relative_to(ROOT)}` | {first_line(path)} |\n" for path in modules(folder)]
    return "\n| module | what |\n|---|---|\n" + "".join(rows) if rows else ""


def written(page: str) -> str:
    """The page with its lists as they should be."""
    parts = re.split(r"(<!-- modules: [\w/]+ -->\n)(?:\n(?:\|.*\n)+)?", page)
    pieces = [part + table(part.split()[2]) if part.startswith("<!-- modules") else part for part in parts]
    return "".join(pieces)


def test_the_lists_are_those_of_the_tree() -> None:
    assert PAGE.read_text() == written(PAGE.read_text()), "The lists are old: make docs"


def test_every_folder_of_modules_has_its_list() -> None:
    folders = {str(path.parent.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    listed = re.findall(r"<!-- modules: ([\w/]+) -->", PAGE.read_text())
    assert sorted(listed) == sorted(folders)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
