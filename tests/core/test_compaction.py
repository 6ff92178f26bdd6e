"""Compaction: fewer segments, the same rows and answers; readers notice nothing, a killed one changes nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from core import Audience, Dataset, DatasetBusy
from core.data import compaction
from core.data.compaction import due
from core.data.loading import LoadReport
from core.data.manifest import Segment
from core.data.store import Store
from tests.core.loads import T, batch, content, event, load, named, new

NOW = datetime.fromtimestamp(T / 1000 + 86_400, UTC)
ROOT = Path(__file__).parents[2]


WHERE = [{"workspace": workspace, "input": input} for workspace in ("shop", "travel") for input in ("ios", "web")]


def documents(seed: int, count: int) -> list[dict[str, Any]]:
    """Batches with everything that a segment can hold; some are copies of earlier ones."""
    chance = random.Random(seed)
    result = []
    for number in range(count):
        at = T - chance.randrange(5 * 86_400_000)
        product = {"id": "p", "name": chance.choice(["shoe", "hat"]), "price": chance.randrange(99)}
        events = [
            named(
                chance.choice("abc"),
                source_message_id=f"m{chance.randrange(count * 2)}",
                timestamp_unixtime_ms=at - chance.randrange(1000),
                custom_attributes={"n": chance.randrange(9), "none": None},
            ),
            event("screen_view", screen_name=chance.choice(["home", "cart"]), timestamp_unixtime_ms=at),
            event("commerce_event", product_action={"action": "purchase", "products": [product]}),
            event("session_start", session_uuid=f"s{number}"),
        ]
        result.append(
            batch(
                chance.randrange(12) - 6,
                *chance.sample(events, chance.randrange(5)),
                time=at,
                source_request_id=f"r{chance.randrange(count * 3)}",
                user_attributes={chance.choice("xy"): chance.randrange(9)},
                deleted_user_attributes=chance.choice([[], ["x"]]),
                user_identities={"email": f"{chance.randrange(9)}@x"},
                device_info={"platform": chance.choice(["iOS", "Android"]), "is_tablet": bool(number % 2)},
                consent_state={"gdpr": {"ads": {"consented": bool(number % 3)}}},
                context={"location": {"city_name": "Paris", "latitude": 48.8, "longitude": 2.3}},
            )
        )
    return result


def filled(store: Store, loads: int = 6) -> Store:
    for number in range(loads):
        load(
            store, documents(number, 15), workspace=("shop", "travel")[number % 2], input=("ios", "web")[number % 3 % 2]
        )
    return store


def members(dataset: Dataset, root: dict[str, Any]) -> list[int]:
    document = {"name": "A", "workspaces": ["shop"], "definition": {"version": 1, "root": root}}
    return dataset.evaluate(Audience.from_dict(document), now=NOW).members["mpid"].to_list()


ANYTHING = {"type": "event", "kind": "custom", "name": "a"}


@pytest.mark.parametrize("chunk", [compaction.CHUNK_ROWS, 7, 1])
def test_the_same_rows_in_fewer_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(compaction, "CHUNK_ROWS", chunk)
    store = filled(new(tmp_path))
    before, manifest = content(store), store.manifest()
    dataset = Dataset.open(store.path)
    assert dataset.compact(full=True)
    after = store.manifest()
    assert content(store) == before
    [segment] = after.segments
    assert (segment.first_ms, segment.last_ms) == (
        min(each.first_ms for each in manifest.segments if each.first_ms is not None),
        max(each.last_ms for each in manifest.segments if each.last_ms is not None),
    )
    assert (after.profiles, after.next_arrival) == (manifest.profiles, manifest.next_arrival)
    assert dataset.version == after.version == manifest.version + 1
    assert not dataset.compact(full=True)


def test_merged_events_lie_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "CHUNK_ROWS", 9)
    store = filled(new(tmp_path))
    Dataset.open(store.path).compact(full=True)
    events = store.read("events").collect()
    day = events["timestamp_ms"] // 86_400_000
    rows = list(zip(events["workspace"], events["kind"], events["name"].fill_null(""), day, strict=True))
    order = list(zip(rows, events["profile"], events["arrival"], strict=True))
    assert order == sorted(order)
    stores = Dataset.open(store.path).snapshot.event_stores()
    assert {(each.workspace, each.kind) for each in stores} == set(events.select("workspace", "kind").unique().rows())


def test_copies_and_identities_are_still_known(tmp_path: Path) -> None:
    store = filled(new(tmp_path))
    Dataset.open(store.path).compact(full=True)
    again = load(store, documents(2, 15), workspace="shop", input="ios")
    assert again.batches == again.events == 0
    assert again.duplicates > 0
    # An identity belongs to the profile that came with it last, whichever segment that lies in.
    load(store, [batch(77, user_identities={"customer_id": "c"})])
    load(store, [batch(78, user_identities={"customer_id": "c"})])
    Dataset.open(store.path).compact(full=True)
    report: LoadReport = load(store, [batch(None, named("z"), user_identities={"customer_id": "c"})])
    assert report.profiles == 1
    assert members(Dataset.open(store.path), {"type": "event", "kind": "custom", "name": "z"}) == [78]


def test_a_reader_keeps_its_files_until_it_goes(tmp_path: Path) -> None:
    store = filled(new(tmp_path))
    reader = Dataset.open(store.path)
    expected = members(Dataset.open(store.path), ANYTHING)
    old = [store.folder(segment) for segment in reader.snapshot.manifest.segments]
    Dataset.open(store.path).compact(full=True)
    load(store, [batch(500, named("a"))])
    assert all(folder.is_dir() for folder in old)
    assert members(reader, ANYTHING) == expected, "it reads its own version, from files it had not opened yet"
    reader.refresh()
    assert members(reader, ANYTHING) == [*expected, 500]
    load(store, [batch(501, named("a"))])
    assert not any(folder.exists() for folder in old)
    assert not store.manifest().retired


READER = """
import sys
from core import Dataset
dataset = Dataset.open(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
print(dataset.snapshot.table("events").collect().height, flush=True)
"""


def test_a_reader_in_another_process_keeps_its_files(tmp_path: Path) -> None:
    store = filled(new(tmp_path))
    rows = store.read("events").collect().height
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(store.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "open\n"
    Dataset.open(store.path).compact(full=True)
    load(store, [batch(1, named("a"))])
    print(file=process.stdin, flush=True)
    assert process.stdout.readline() == f"{rows}\n"
    process.stdin.close()
    assert process.wait() == 0
    load(store, [batch(2, named("a"))])
    segments = {segment.name for segment in store.manifest().segments}
    assert {folder.name for folder in (store.path / "segments").iterdir()} == segments


def test_a_load_in_the_middle_of_a_compaction_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(new(tmp_path))
    merge = compaction.merge

    def slowly(*given: Any) -> Segment:
        load(store, [batch(900, named("late"))])
        return merge(*given)

    monkeypatch.setattr(compaction, "merge", slowly)
    dataset = Dataset.open(store.path)
    assert dataset.compact(full=True)
    assert len(store.manifest().segments) == 2
    assert members(dataset, {"type": "event", "kind": "custom", "name": "late"}) == [900]


def test_one_compaction_at_a_time(tmp_path: Path) -> None:
    store = filled(new(tmp_path))
    with FileLock(store.path / ".compacting.lock"), pytest.raises(DatasetBusy):
        Dataset.open(store.path).compact()


def test_what_is_due() -> None:
    def sized(*rows: int) -> list[Segment]:
        return [Segment(str(number), {"events": count}, None, None) for number, count in enumerate(rows)]

    def count(*rows: int) -> int:
        return len(due(sized(*rows)))

    assert count(1, 1, 1, 1, 1, 1, 1) == 0, "few are left alone"
    assert count(1, 1, 1, 1, 1, 1, 1, 1) == 8
    assert count(1000, 1, 1, 1, 1, 1, 1, 1, 1) == 8, "the big one is not rewritten for little"
    assert count(14, 1, 1, 1, 1, 1, 1, 1) == 8, "but when the others have grown to half of it"
    assert count(15, 1, 1, 1, 1, 1, 1, 1) == 0


def test_many_loads_leave_few_segments(tmp_path: Path) -> None:
    store = new(tmp_path)
    dataset = Dataset.open(store.path)
    for number in range(40):
        dataset.load_batches([batch(number, named("a"))], workspace="shop", input="ios")
        dataset.compact()
        assert len(dataset.snapshot.manifest.segments) <= 2 * compaction.LEAST
    assert members(dataset, ANYTHING) == list(range(40))


COMPACTOR = """
import sys
from core import Dataset
dataset = Dataset.open(sys.argv[1])
print("ready", flush=True)
dataset.compact(full=True)
"""


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    store = filled(new(tmp_path), loads=10)
    expected = content(store)
    chance = random.Random(3)
    killed = done = 0
    for _ in range(12):
        before = store.manifest()
        process = subprocess.Popen(
            [sys.executable, "-c", COMPACTOR, str(store.path)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(float(np.exp(chance.uniform(-6, 0))))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if store.manifest() == before:
            killed += 1
        else:
            done += 1
            load(store, documents(100 + done, 5))
            expected = content(store)
        assert content(store) == expected
    assert killed
    Dataset.open(store.path).compact(full=True)
    load(store, [batch(1, named("after"))])
    assert len(store.manifest().segments) == 2
    assert len(list((store.path / "segments").iterdir())) == 2
