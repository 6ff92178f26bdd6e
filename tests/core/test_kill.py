"""A load that is killed leaves the dataset as it was; writers wait for each other and readers for nobody."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.data.batches import load_batches
from core.data.store import Store
from tests.core.loads import batch, load, named, rows

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from core.data.batches import load_batches
from core.data.store import Store
from tests.core.loads import batch, named
first, count, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
documents = (
    batch(
        number,
        *(named("e", source_message_id=f"{number}-{place}") for place in range(20)),
        source_request_id=str(number),
    )
    for number in range(first, first + count)
)
load_batches(Store.open(path), documents, workspace="shop", input="ios")
"""


def writer(path: Path, first: int, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WRITER, str(first), str(count), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    load(store, [batch(1, named("e"), source_request_id="before")])
    chance = random.Random(5)
    killed = 0
    for _ in range(8):
        before = store.manifest()
        process = writer(store.path, 1000, 4000)
        time.sleep(chance.uniform(0.0, 2.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = store.manifest()
        if after.version == before.version:
            killed += 1
            assert after == before
            assert store.read("events").collect().height == sum(
                segment.tables["events"] for segment in before.segments if "events" in segment.tables
            )
        assert rows(store, "events", "mpid").count((1,)) == 1
    assert killed
    report = load_batches(store, [batch(2000, named("e", source_message_id="2000-3"))], workspace="shop", input="ios")
    assert report.events + report.duplicates == 1
    folders = {folder.name for folder in (store.path / "segments").iterdir()}
    assert folders == {segment.name for segment in store.manifest().segments}


@pytest.mark.slow
def test_two_writers_and_a_reader(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "dataset")
    writers = [writer(store.path, first, 300) for first in (0, 200)]
    seen = set()
    while any(process.poll() is None for process in writers):
        manifest = store.manifest()
        names = store.read("events", manifest).collect().height
        assert names == sum(segment.tables["events"] for segment in manifest.segments)
        seen.add(manifest.version)
    assert [process.wait() for process in writers] == [0, 0]
    assert store.manifest().version == 3
    assert len(rows(store, "batches", "mpid")) == 500
    assert len(rows(store, "events", "mpid")) == 10_000
    assert seen <= {1, 2, 3}
