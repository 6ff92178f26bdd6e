"""The benchmark runs and its audiences hold somebody; speed is not tested here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.world import AUDIENCES

ROOT = Path(__file__).parent.parent.parent


def test_the_benchmark_runs_small() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--events", "20000", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in AUDIENCES:
        row = re.search(rf"^{re.escape(name)} +([\d,]+) ", done.stdout, re.MULTILINE)
        assert row, f"no row for {name}\n{done.stdout}"
        assert int(row[1].replace(",", "")) > 0, row[0]
