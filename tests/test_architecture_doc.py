"""docs/architecture.md names every module, and only modules that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "workbench", "pages", "sample_data")


def modules() -> set[str]:
    """Every module file, as the page names it; a package's `__init__.py` only where it has a face of its own."""
    files = {path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    return {str(path) for path in files if path.name != "__init__.py" or path.parent == Path("core")}


def suggested(module: str) -> str:
    """The line that is missing, from the module's own first line."""
    docstring = ast.get_docstring(ast.parse((ROOT / module).read_text())) or "?"
    return f"| `{module}` | {docstring.splitlines()[0].rstrip('.')} |"


def test_the_page_names_the_modules_that_are_there() -> None:
    named = re.findall(r"^\| `([\w/]+\.py)` \| .+ \|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    missing = "\n".join(suggested(module) for module in sorted(modules() - set(named)))
    assert not missing, f"docs/architecture.md does not name:\n{missing}"
    assert sorted(set(named) - modules()) == [], "docs/architecture.md names what is gone"
    assert len(named) == len(set(named)), "docs/architecture.md names a module twice"
