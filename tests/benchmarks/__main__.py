"""`make bench`: how fast batches load and audiences answer, through the public API, with machine and versions."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from core import Audience, Dataset
from sample_data.shelf import AUDIENCES as SAMPLE
from tests.benchmarks.world import AUDIENCES, NOW_MS, document, write_batches


def measure_load(folder: Path, events: int) -> Dataset:
    """Load the batches from one file in one process; prints events a second."""
    size = write_batches(folder / "batches.jsonl", events)
    dataset = Dataset.create(folder / "dataset")
    start = time.perf_counter()
    dataset.load_batches(str(folder / "batches.jsonl"), workspace="shop", input="ios")
    took = time.perf_counter() - start
    print(f"load      {events / took:,.0f} events/s   ({events:,} events, {size / 1e6:,.0f} MB of JSON, {took:.2f} s)")
    return dataset


def measure_answers(dataset: Dataset, audiences: Mapping[str, Audience], now: datetime, rounds: int) -> None:
    """Evaluate every audience: first = nothing in memory yet, warm = a new `now` each time, same = nothing changed."""

    def took_ms(audience: Audience, at: datetime) -> float:
        start = time.perf_counter()
        _ = dataset.evaluate(audience, now=at, audiences=audiences).size
        return (time.perf_counter() - start) * 1e3

    moments = [now + timedelta(milliseconds=each + 1) for each in range(rounds)]
    print(f"\n{'audience':<34}{'members':>10}{'first ms':>10}{'warm ms':>10}{'same ms':>10}")
    for name, audience in audiences.items():
        first = took_ms(audience, now)
        warm = statistics.median(took_ms(audience, at) for at in moments)
        same = statistics.median(took_ms(audience, moments[-1]) for _ in moments)
        size = dataset.evaluate(audience, now=now, audiences=audiences).size
        print(f"{name:<34}{size:>10,}{first:>10.1f}{warm:>10.1f}{same:>10.1f}")


def measure_sample(home: Path, rounds: int) -> None:
    """The audiences of the sample data at its end, where it has been made (`make run`)."""
    dataset = Dataset.open(home / "dataset")
    files = sorted(SAMPLE.glob("*.json"))
    audiences = {file.stem: Audience.from_dict(json.loads(file.read_text())) for file in files}
    if dataset.end is not None:
        measure_answers(dataset, audiences, dataset.end, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="events to make and load (default 500,000)")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of a warm answer, the median counts")
    parser.add_argument(
        "--sample", type=Path, metavar="HOME", help="measure the audiences of the sample data there too"
    )
    chosen = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("polars", "numpy", "pyarrow"))
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}")
    with tempfile.TemporaryDirectory() as folder:
        dataset = measure_load(Path(folder), chosen.events)
        audiences = {name: Audience.from_dict(document(name)) for name in AUDIENCES}
        measure_answers(dataset, audiences, datetime.fromtimestamp(NOW_MS / 1000, UTC), chosen.rounds)
    if chosen.sample:
        measure_sample(chosen.sample, chosen.rounds)


if __name__ == "__main__":
    main()
