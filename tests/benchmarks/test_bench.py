"""The benchmark runs small and its engines agree on every member; speed is not tested here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.__main__ import STEPS, Mismatch, compare
from tests.benchmarks.audiences import KINDS, THIRTEEN, Asked
from tests.benchmarks.engines import Engine, Members
from tests.benchmarks.measures import apart
from tests.benchmarks.results import Results, growth

ROOT = Path(__file__).parent.parent.parent


def run(folder: Path) -> str:
    command = [sys.executable, "-m", "tests.benchmarks", "--size", "tiny", "--rounds", "1", "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_benchmark_runs_and_members_agree(tmp_path: Path) -> None:
    told = run(tmp_path)
    for asked in (*THIRTEEN, *KINDS):
        row = re.search(rf"^\| {re.escape(asked.name)} \| {re.escape(asked.title)} \| ([\d,]+) \|", told, re.MULTILINE)
        assert row, f"no row for {asked.name}\n{told}"
        assert int(row[1].replace(",", "")) > 0, row[0]
    for step in set(STEPS) - {"answers", "kinds"}:
        assert f"| {step} |" in told
    assert (tmp_path / "3kx60k" / "report.md").read_text() == told.rstrip("\n") + "\n"
    again = run(tmp_path)  # everything is there: nothing is measured again
    assert again == told


class Fixed(Engine):
    """An engine that always gives the same members."""

    def __init__(self, name: str, members: list[int]) -> None:
        self.name, self._members = name, np.array(members, np.int64)

    def size(self, asked: Asked, edit: int) -> int:
        return len(self._members)

    def members(self, asked: Asked, edit: int) -> Members:
        return self._members


def test_engines_that_disagree_stop_the_benchmark() -> None:
    compare(THIRTEEN[0], 0, [Fixed("one", [1, 2]), Fixed("two", [1, 2])])
    with pytest.raises(Mismatch, match="one has 2 members, two 2; they differ in 2"):
        compare(THIRTEEN[0], 0, [Fixed("one", [1, 2]), Fixed("two", [1, 3])])


def test_growth_beside_fewer_events(tmp_path: Path) -> None:
    def measured(name: str, took: dict[str, float]) -> Results:
        results = Results(tmp_path / name, again=False)
        results.runs = [
            {"mode": "full", "round": 1, "audience": audience, "engine": "workbench", "ms": ms}
            for audience, ms in took.items()
        ]
        return results

    small, big = measured("small", {"A1": 2.0, "A5": 4.0}), measured("big", {"A1": 3.0, "A5": 30.0})
    told = growth(big, small, 10)
    assert "10 times the events" in told[0] and "(A1, A7) at most 1.5 times" in told[0]
    assert told[-3:] == ["| A1 | 2.0 | 3.0 | 1.5 |", "| A5 | 4.0 | 30.0 | 7.5 |", "| **sum** | 6.0 | 33.0 | 5.5 |"]
    assert growth(big, Results(tmp_path / "none", again=False), 10) == []


def test_the_peak_of_a_process_is_its_own() -> None:
    """However much the one holds that started it."""
    large = np.ones(1_000_000_000, np.uint8)
    found, _, peak = apart(len, "four")
    assert found == 4 and 0.02 < peak < 0.7, len(large)
