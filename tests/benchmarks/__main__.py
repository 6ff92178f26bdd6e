"""`make bench`: how fast batches load and audiences answer, through the public API, with machine and versions."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from core import Audience, Dataset
from tests.benchmarks.world import AUDIENCES, NOW_MS, document, write_batches


def measure_load(folder: Path, events: int) -> Dataset:
    """Load the batches from one file in one process; prints events a second."""
    size = write_batches(folder / "batches.jsonl", events)
    dataset = Dataset.create(folder / "dataset")
    start = time.perf_counter()
    dataset.load_batches(str(folder / "batches.jsonl"), workspace="shop", input="ios")
    took = time.perf_counter() - start
    print(
        f"load      {events / took:,.0f} events/s   ({events:,} events, {size / 1e6:,.0f} MB of JSON, {took:.2f} s)\n"
    )
    return dataset


def answer_ms(dataset: Dataset, audience: Audience, now: datetime) -> float:
    start = time.perf_counter()
    _ = dataset.evaluate(audience, now=now).size
    return (time.perf_counter() - start) * 1e3


def measure_answers(dataset: Dataset, rounds: int) -> None:
    """Evaluate every audience: first = nothing in memory yet, warm = a new `now` each time, same = nothing changed."""
    now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    moments = [now + timedelta(milliseconds=each + 1) for each in range(rounds)]
    print(f"{'audience':<34}{'members':>10}{'first ms':>10}{'warm ms':>10}{'same ms':>10}")
    for name in AUDIENCES:
        audience = Audience.from_dict(document(name))
        first = answer_ms(dataset, audience, now)
        warm = statistics.median(answer_ms(dataset, audience, at) for at in moments)
        same = statistics.median(answer_ms(dataset, audience, moments[-1]) for _ in moments)
        size = dataset.evaluate(audience, now=now).size
        print(f"{name:<34}{size:>10,}{first:>10.1f}{warm:>10.1f}{same:>10.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="events to make and load (default 500,000)")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of a warm answer, the median counts")
    chosen = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("polars", "numpy", "pyarrow"))
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}")
    with tempfile.TemporaryDirectory() as folder:
        dataset = measure_load(Path(folder), chosen.events)
        measure_answers(dataset, chosen.rounds)


if __name__ == "__main__":
    main()
