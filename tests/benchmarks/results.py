"""What was measured: one JSON file that grows with every step, so that a stopped run goes on; and its tables."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import orjson

from tests.benchmarks.audiences import KINDS, THIRTEEN
from tests.benchmarks.data import Size

PACKAGES: Final = ("polars", "numpy", "numba", "pyarrow", "duckdb", "chdb")


class Results:
    """Steps by name, saved after each; `runs` holds one entry a timed answer. `again` keeps the imports only."""

    def __init__(self, file: Path, again: bool) -> None:
        self._file = file
        known = orjson.loads(file.read_bytes()) if file.exists() else {"steps": {}, "runs": []}
        kept = {step: found for step, found in known["steps"].items() if step.startswith("import, ")}
        self.steps: dict[str, Any] = kept if again else known["steps"]
        self.runs: list[dict[str, Any]] = [] if again else known["runs"]

    def save(self) -> None:
        """To disk, whole or not at all."""
        new = self._file.with_suffix(".new")
        new.write_bytes(orjson.dumps({"steps": self.steps, "runs": self.runs}, option=orjson.OPT_INDENT_2))
        new.replace(self._file)

    def keep(self, step: str, found: Any) -> None:
        """Record a step."""
        self.steps[step] = found
        self.save()

    def done(self, mode: str, number: int) -> bool:
        """Whether a round is there already."""
        return any(run["mode"] == mode and run["round"] == number for run in self.runs)

    def median(self, mode: str, audience: str, engine: str) -> float | None:
        """Milliseconds, None where that was not measured."""
        found = [
            run["ms"] for run in self.runs if (run["mode"], run["audience"], run["engine"]) == (mode, audience, engine)
        ]
        return statistics.median(found) if found else None

    def members(self, audience: str) -> int:
        """The audience's size (of the first edit that was measured)."""
        return next((run["size"] for run in self.runs if run["audience"] == audience), 0)


def machine() -> dict[str, Any]:
    """Where this runs and with what."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "system": platform.platform(),
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(pages / 1e9, 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def geometric(ratios: Iterable[float]) -> float | None:
    """The geometric mean, None of nothing."""
    logs = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logs) / len(logs)) if logs else None


def _shown(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _answers(results: Results, engines: list[str]) -> list[str]:
    others = [name for name in engines if name != "workbench"]
    lines = [
        "Milliseconds, medians. Full: nothing remembered. Edit: one criterion changed, everything else remembered.",
        "",
        _row(["audience", "", "members", "full", "edit", *others, "DuckDB / full", "DuckDB / edit"]),
        _row(["---", "---", "---:", *["---:"] * (len(others) + 4)]),
    ]
    sums: dict[str, float] = {}
    for each in THIRTEEN:
        ours = {mode: results.median(mode, each.name, "workbench") for mode in ("full", "edit")}
        theirs = {name: results.median("full", each.name, name) for name in others}
        full = _ratio(theirs.get("duckdb"), ours["full"])
        edit = _ratio(results.median("edit", each.name, "duckdb"), ours["edit"])
        cells = [*ours.values(), *theirs.values()]
        for name, value in zip(("full", "edit", *others), cells, strict=True):
            sums[name] = sums.get(name, 0) + (value or 0)
        numbers = [*(_shown(cell) for cell in cells), _shown(full), _shown(edit)]
        lines.append(_row([each.name, each.title, f"{results.members(each.name):,}", *numbers]))
    lines.append(_row(["**sum**", "", "", *(_shown(sums.get(name)) for name in ("full", "edit", *others)), "", ""]))
    return [*lines, "", *_means(results, others)]


def _ratio(theirs: float | None, ours: float | None) -> float | None:
    return theirs / ours if theirs and ours else None


def _means(results: Results, others: list[str]) -> list[str]:
    lines = [_row(["geometric mean of theirs / ours", *others]), _row(["---", *["---:"] * len(others)])]
    for mode in ("full", "edit"):
        means = []
        for name in others:
            pairs = [
                # Who does not remember answers an edit like any other question; DuckDB is asked beside it all the same.
                (
                    results.median(mode, a.name, name) or results.median("full", a.name, name),
                    results.median(mode, a.name, "workbench"),
                )
                for a in THIRTEEN
            ]
            means.append(geometric(theirs / ours for theirs, ours in pairs if theirs and ours))
        lines.append(_row([mode, *(_shown(mean) for mean in means)]))
    return lines


def _kinds(results: Results) -> list[str]:
    lines = [
        "One audience for each kind of criterion, milliseconds, nothing remembered. Cart abandonment is A7.",
        "",
        _row(["criterion", "", "members", "workbench", "duckdb", "DuckDB / workbench"]),
        _row(["---", "---", "---:", "---:", "---:", "---:"]),
    ]
    for each in KINDS:
        ours, theirs = (results.median("kind", each.name, name) for name in ("workbench", "duckdb"))
        size = f"{results.members(each.name):,}"
        numbers = [_shown(ours), _shown(theirs), _shown(_ratio(theirs, ours))]
        lines.append(_row([each.name, each.title, size, *numbers]))
    return lines


WEEK: Final = ("A1", "A7")
"""Audiences of the last seven days."""


def growth(results: Results, smaller: Results, times: float) -> list[str]:
    """How the time to a size grew with so many times the events, beside fewer events of as many profiles."""
    found = {
        each.name: (before, after)
        for each in THIRTEEN
        if (before := smaller.median("full", each.name, "workbench"))
        and (after := results.median("full", each.name, "workbench"))
    }
    if not found:
        return []
    before, after = (sum(side) for side in zip(*found.values(), strict=True))
    rows = [*((name, *pair) for name, pair in found.items()), ("**sum**", before, after)]
    week = [after / before for name, (before, after) in found.items() if name in WEEK]
    told = f"the windows of 7 days (A1, A7) at most {max(week):,.1f} times" if week else ""
    return [
        f"Growth: {times:,.0f} times the events of as many profiles, milliseconds, nothing remembered; {told}.",
        "",
        _row(["audience", "fewer events", "here", "times"]),
        _row(["---", "---:", "---:", "---:"]),
        *(_row([name, _shown(less), _shown(more), _shown(more / less)]) for name, less, more in rows),
    ]


def _steps(results: Results) -> list[str]:
    lines = [_row(["step", "", ""]), _row(["---", "---", "---:"])]
    for step, found in results.steps.items():
        if isinstance(found, dict) and step != "machine":
            for at, (name, value) in enumerate(found.items()):
                shown = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
                lines.append(_row(["" if at else step, name, shown]))
    return lines


def report(results: Results, size: Size, command: str, engines: list[str], grown: list[str]) -> str:
    """Everything that was measured, as Markdown; with the lines of `growth`."""
    about = results.steps["machine"]
    versions = ", ".join(f"{name} {about[name]}" for name in ("python", *PACKAGES) if about.get(name))
    lines = [
        f"### {size.profiles:,} profiles, {size.events:,} events",
        "",
        f"`{command}` on {about['cores']} cores ({about['processor']}), {about['memory_gb']} GB, {about['system']}; "
        f"{versions}.",
    ]
    measured = {run["mode"] for run in results.runs}
    if measured & {"full", "edit"}:
        lines += ["", *_answers(results, engines)]
    if grown:
        lines += ["", *grown]
    if "kind" in measured:
        lines += ["", *_kinds(results)]
    return "\n".join([*lines, "", *_steps(results), ""])
