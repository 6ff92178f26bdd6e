"""What the code imports is declared, and what is declared is locked exactly."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
BENCH = {line.split(">=")[0] for line in PYPROJECT["dependency-groups"]["bench"]}
"""What only `make bench` installs, for `tests/benchmarks` alone."""

CHDB = {"chdb-core"}
"""Where the package chdb lies, once `make bench` has installed it."""

OURS = {"core", "workbench", "pages", "notebooks", "sample_data", "tests"}
BUILD_TIME = {Path("core/data/make_places.py")}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str) -> set[str]:
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    return {normal(match[0]) for line in lines if (match := re.match(r"[\w.-]+", line))}


def imported(module: Path) -> set[str]:
    """The distributions whose packages a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    by_package = packages_distributions()
    outside = names - OURS - set(sys.stdlib_module_names)
    return {normal(by_package[name][0]) if name in by_package else name for name in outside}


@pytest.mark.parametrize("package", ["core", "workbench", "pages"])
def test_the_product_imports_only_its_dependencies(package: str) -> None:
    modules = [path for path in (ROOT / package).rglob("*.py") if path.relative_to(ROOT) not in BUILD_TIME]
    undeclared = {str(path.relative_to(ROOT)): imported(path) - declared() for path in modules}
    assert {path: names for path, names in undeclared.items() if names} == {}


@pytest.mark.parametrize("package", ["notebooks", "sample_data", "tests"])
def test_what_is_around_it_imports_only_what_the_extras_bring(package: str) -> None:
    allowed = declared("dev", "notebooks") | {"playwright"}  # playwright: by pytest-playwright
    undeclared = {
        str(path.relative_to(ROOT)): imported(path) - allowed - (BENCH | CHDB if "benchmarks" in path.parts else set())
        for path in (ROOT / package).rglob("*.py")
    }
    assert {path: names for path, names in undeclared.items() if names} == {}


@pytest.mark.parametrize(
    ("file", "wanted"),
    [("requirements.txt", declared("dev", "notebooks") - {"audience-workbench"}), ("requirements-bench.txt", BENCH)],
)
def test_every_dependency_is_locked_with_hashes_and_no_address(file: str, wanted: set[str]) -> None:
    lock = (ROOT / file).read_text()
    locked = {normal(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    assert wanted <= locked
    pins = re.split(r"\n(?=\w)", lock.strip())
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in lock
    assert not re.search(r"^-|file:|@", lock, re.MULTILINE)
