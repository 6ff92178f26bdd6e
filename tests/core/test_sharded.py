"""Sharded datasets: split by user on disk, and in no answer."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from core import Audience, CoreError, Dataset, DatasetError, sharded
from core.archive import Download, write_archive
from core.composition import composition, reach, traits
from core.data import segments as segments_module
from core.data.segments import shard_of
from core.data.store import Store
from core.history import backtest
from core.near_misses import near_misses
from core.overlap import others
from tests.core.loads import T, batch, load, named
from tests.core.test_compaction import ROOT, WHERE, documents

NOW = datetime.fromtimestamp(T / 1000 + 86_400, UTC)


def audience(root: dict[str, Any]) -> Audience:
    return Audience.from_dict({"name": "A", "workspaces": ["shop"], "definition": {"version": 1, "root": root}})


SOME = audience(
    {
        "type": "or",
        "criteria": [
            {"type": "event", "kind": "custom", "name": "a"},
            {"type": "not", "criterion": {"type": "user_attribute", "attribute": "x", "operator": "exists"}},
        ],
    }
)


def filled(dataset: Dataset) -> Dataset:
    for number in range(6):
        dataset.load_batches(documents(number, 15), **WHERE[number % 4])
    tables = pl.DataFrame(
        {"id": [f"{number}@x" for number in range(9)], "ts": ["2023-11-13T00:00:00Z"] * 9, "event": ["b"] * 9}
    )
    mapping = {
        "rows": "events",
        "user": {"column": "id", "identity_type": "email"},
        "time": {"column": "ts", "unit": "iso"},
        "event": {"column": "event"},
    }
    dataset.load_table(tables, mapping, workspace="shop", input="crm", kind="feed")
    dataset.add_calculated_attribute(
        {"name": "n", "calculation": "count", "event": {"type": "event", "kind": "custom", "name": "a"}},
        workspace="shop",
    )
    return dataset


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """The same data in one dataset and in three shards."""
    folder = tmp_path_factory.mktemp("pair")
    return filled(Dataset.create(folder / "one")), filled(Dataset.create(folder / "many", shards=3))


def test_open_finds_out(pair: tuple[Dataset, Dataset]) -> None:
    one, many = pair
    assert isinstance(Dataset.open(many.path), sharded.ShardedDataset)
    assert type(Dataset.open(one.path)) is Dataset
    assert (one.shard_count, many.shard_count) == (0, 3)


def test_every_profile_is_in_its_shard(pair: tuple[Dataset, Dataset]) -> None:
    many = Dataset.open(pair[1].path)
    assert isinstance(many, sharded.ShardedDataset)
    mpids = [shard.snapshot.mpid for shard in many.shards()]
    assert all(len(each) for each in mpids), "twenty profiles spread over three shards"
    for number, each in enumerate(mpids):
        assert (shard_of(each, 3) == number).all()
    assert sorted(np.concatenate(mpids).tolist()) == sorted(pair[0].snapshot.mpid.tolist())


def test_a_shard_is_for_ever() -> None:
    # splitmix64's finaliser of mpid + 0x5851F42D4C957F2D, without its lowest bit, modulo the shards.
    def by_hand(mpid: int) -> int:
        mask = 2**64 - 1
        value = (mpid + 0x5851F42D4C957F2D) & mask
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        return ((value ^ (value >> 31)) >> 1) % 7

    mpids = [0, 1, -1, 2**63 - 1, -(2**63), 123456789]
    assert shard_of(np.array(mpids, np.int64), 7).tolist() == [by_hand(mpid) for mpid in mpids]


def test_the_same_answers(pair: tuple[Dataset, Dataset]) -> None:
    one, many = pair
    left, right = (each.evaluate(SOME, now=NOW) for each in pair)
    assert 0 < left.size < left.universe
    assert (left.size, left.universe, left.now) == (right.size, right.universe, right.now)
    assert left.members.equals(right.members)
    assert left.criteria == right.criteria
    for path in ("root.criteria[0]", "root.criteria[1].criterion"):
        assert left.measure(path).equals(right.measure(path))
    assert left.profiles(["x", "y"]).equals(right.profiles(["x", "y"]))
    assert one.estimate(SOME, now=NOW) == many.estimate(SOME, now=NOW)
    assert one.end == many.end
    every = {"a": SOME, "b": audience({"type": "and", "criteria": []})}
    told: list[tuple[int, int | None]] = []
    several = many.evaluate_many(every, now=NOW, progress=lambda done, total: told.append((done, total)))
    assert [several[key].size for key in every] == [one.evaluate(each, now=NOW).size for each in every.values()]
    assert list(dict.fromkeys(told)) == [(done, 6) for done in range(7)]


def test_the_same_catalog(pair: tuple[Dataset, Dataset]) -> None:
    one, many = pair
    by = ["workspace", "kind", "name"]
    assert one.catalog().sort(by).equals(many.catalog().sort(by))
    for kind, name in (
        ("user_attribute", "x"),
        ("identity", "email"),
        ("event_attribute", "n"),
        ("product_field", "name"),
    ):
        ours = many.values(kind, name, workspace="shop")
        assert ours.equals(one.values(kind, name, workspace="shop"))
    assert one.event_attributes(["shop"]) == many.event_attributes(["shop"])
    mine, theirs = ({(e.workspace, e.kind, e.name, e.event): e for e in each.entries(now=NOW)} for each in pair)
    assert mine == theirs
    columns = ["mpid", "timestamp", "workspace", "input", "kind", "name"]
    events = [each.events(kind="custom").select(columns).sort(columns).collect() for each in pair]
    assert events[0].equals(events[1])


def test_the_same_profiles(pair: tuple[Dataset, Dataset]) -> None:
    one, many = pair
    assert one.profiles(["x", "y"]).equals(many.profiles(["x", "y"]))
    for mpid in one.profiles([])["mpid"].to_list()[:5]:
        assert one.profile(mpid, now=NOW) == many.profile(mpid, now=NOW)
        assert one.timeline(mpid, now=NOW).total == many.timeline(mpid, now=NOW).total
        why = [each.evaluate(SOME, now=NOW).explain(mpid).member for each in pair]
        assert why[0] == why[1]
    for text in ("1", "3@x"):
        assert {(m.mpid, m.identity_type) for m in one.find(text, now=NOW)} == {
            (m.mpid, m.identity_type) for m in many.find(text, now=NOW)
        }


def test_the_same_near_misses(pair: tuple[Dataset, Dataset]) -> None:
    often = {"type": "event", "kind": "custom", "name": "a", "frequency": {"operator": "at_least", "value": 2}}
    high = {"type": "user_attribute", "attribute": "y", "operator": "greater_than", "value": 2}
    asked = audience({"type": "and", "criteria": [often, {"type": "not", "criterion": high}]})
    left, right = (near_misses(each.evaluate(asked, now=NOW)) for each in pair)
    assert left == right and len(left) == 2 and all(each.gap is not None for each in left)
    for closest in (1, 100):
        left, right = (near_misses(each.evaluate(asked, now=NOW), closest) for each in pair)
        assert left == right


def test_the_same_composition_and_reach(pair: tuple[Dataset, Dataset]) -> None:
    left, right = (each.evaluate(SOME, now=NOW) for each in pair)
    assert reach(left).equals(reach(right)) and reach(left).height
    properties = traits(left)
    assert properties == traits(right) and {"x", "Device: platform", "City", "Calculated: n", "Last seen"} <= {
        each.name for each in properties
    }
    place = {"type": "location", "operator": "within", "city": "Paris, FR", "distance": 1, "unit": "miles"}
    spent = {"type": "event", "kind": "custom", "aggregate": {"function": "sum", "of": {"attribute": "n"},
             "operator": "greater_than", "value": 1}}  # fmt: skip
    member = {"type": "identity", "identity_type": "email", "operator": "exists"}
    others = [audience(root).root for root in (place, spent, member)]
    for criterion in [*(each.criterion for each in properties), *others]:
        frames = [composition(result, criterion) for result in (left, right)]
        assert frames[0].equals(frames[1]), criterion
        against = [composition(result, criterion, against=~result.mask) for result in (left, right)]
        assert against[0].equals(against[1]), criterion


@pytest.mark.parametrize("sample", [None, 4])
def test_the_same_archive(
    pair: tuple[Dataset, Dataset], tmp_path: Path, sample: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.archive.CHUNK_MEMBERS", 3)
    written = []
    for number, dataset in enumerate(pair):
        downloads = [Download("1", dataset.evaluate(SOME, now=NOW))]
        file = tmp_path / f"{number}.zip"
        manifest = write_archive(
            file, downloads, identity_types=["email"], archive_id="abcdef", generated=NOW, sample=sample
        )
        written.append((manifest, file.read_bytes()))
    assert written[0] == written[1]
    assert written[0][0].total_rows > 4


def test_the_same_suggestions_history_and_overlap(pair: tuple[Dataset, Dataset]) -> None:
    for kind, name in (("user_attribute", "x"), ("identity", "email"), ("device", "platform")):
        left, right = (each.suggested(kind, name, ["shop", "travel"]).first() for each in pair)
        assert left == right and left
    left_days, right_days = (backtest(each, SOME, now=NOW, days=5).days for each in pair)
    assert left_days == right_days
    every = {"a": SOME, "b": audience({"type": "event", "kind": "custom", "name": "b"})}
    shared = [others(each, every, now=NOW).nearest(each.evaluate(SOME, now=NOW).mask).rows() for each in pair]
    assert shared[0] == shared[1] and len(shared[0]) == 2


@pytest.mark.parametrize("number", [0, 1])
def test_what_looks_at_every_shard_tells_how_far_it_is(pair: tuple[Dataset, Dataset], number: int) -> None:
    data, parts = pair[number], (1, 3)[number]
    found = data.evaluate(SOME, now=NOW)
    asks: list[Callable[[Callable[[int, int], None]], object]] = [
        lambda step: reach(found, step),
        lambda step: data.entries(now=NOW, progress=step),
        lambda step: data.inputs(now=NOW, progress=step),
    ]

    def stop(done: int, total: int) -> None:
        if done == parts - 1:
            raise InterruptedError

    for ask in asks:
        told: list[tuple[int, int]] = []
        ask(lambda done, total, told=told: told.append((done, total)))  # type: ignore[misc]
        assert list(dict.fromkeys(told)) == [(done, parts) for done in range(parts + 1)]
        with pytest.raises(InterruptedError):
            ask(stop)


def test_words_that_shards_share_are_judged_once(tmp_path: Path) -> None:
    """Words of which every shard has most are one vocabulary; numbers that only one person has are none."""
    many = Dataset.create(tmp_path / "many", shards=3)
    words = ["red shoe", "blue shoe", "hat"]
    bags = {mpid: [{"word": word, "order": f"{mpid}-{word}"} for word in words] for mpid in range(40)}
    batches = [batch(mpid, *(named("a", custom_attributes=bag) for bag in each)) for mpid, each in bags.items()]
    many.load_batches(batches, workspace="shop", input="ios")

    def judged(attribute: str, text: str) -> tuple[int, int]:
        """How many people, and how many dictionaries were judged."""
        where = [{"attribute": attribute, "operator": "contains", "value": text}]
        asked = audience({"type": "event", "kind": "custom", "name": "a", "where": where,
                          "frequency": {"operator": "at_least", "value": 2}})  # fmt: skip
        pool = many._memory._pool.entries
        before = {key for key in pool if key[1] == "verdict"}
        size = many.evaluate(asked, now=NOW).size
        return size, len({key[2] for key in pool if key[1] == "verdict" and key not in before})

    assert judged("word", "shoe") == (40, 1)
    assert judged("word", "hat") == (0, 1)
    assert judged("order", "shoe") == (40, 3)
    assert judged("order", "1-") == (4, 3), "1, 11, 21 and 31 with three words each"


def test_numbers_in_some_shards_and_texts_in_others(tmp_path: Path) -> None:
    """One attribute is a number of some people and a text of others: then it is a text of all."""
    frames = []
    for shards in (None, 3):
        dataset = Dataset.create(tmp_path / f"{shards}", shards=shards)
        batches = [batch(number, user_attributes={"a": 10 + number if number else "x"}) for number in range(12)]
        dataset.load_batches(batches, workspace="shop", input="ios")
        found = dataset.evaluate(audience({"type": "and", "criteria": []}), now=NOW)
        frames.append((found.profiles(["a"]), dataset.profiles(["a"])))
    assert frames[0][0]["a"].to_list() == ["x", *(str(10 + number) for number in range(1, 12))]
    assert all(left.equals(right) for left, right in zip(*frames, strict=True))


def test_the_sample_is_one_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.sample.SAMPLE", 100)
    estimates = []
    for shards in (None, 4):
        dataset = Dataset.create(tmp_path / f"{shards}", shards=shards)
        batches = [batch(number, user_attributes={"a": number % 2}) for number in range(400)]
        dataset.load_batches(batches, workspace="shop", input="ios")
        odd = audience({"type": "user_attribute", "attribute": "a", "operator": "equals", "value": 1})
        estimates.append(dataset.estimate(odd, now=NOW))
    assert estimates[0] == estimates[1]
    assert 60 < estimates[0].sample_users < 140


def test_memory_between_questions_is_bounded(pair: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharded, "KEPT_EVENTS", 60)
    many = Dataset.open(pair[1].path)
    assert isinstance(many, sharded.ShardedDataset)
    found = many.evaluate(SOME, now=NOW)
    assert len(many._kept) < 3
    one = pair[0].evaluate(SOME, now=NOW)
    assert found.members.equals(one.members)
    assert found.measure("root.criteria[0]").equals(one.measure("root.criteria[0]"))


def test_an_open_one_reads_one_version(pair: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "many", shards=2)
    dataset.load_batches([batch(number, named("a")) for number in range(5)], workspace="shop", input="ios")
    reader = Dataset.open(dataset.path)
    dataset.load_batches([batch(number, named("a")) for number in range(5, 9)], workspace="shop", input="ios")
    dataset.compact(full=True)
    dataset.load_batches([batch(9, named("a"))], workspace="shop", input="ios")
    everybody = audience({"type": "event", "kind": "custom", "name": "a"})
    assert reader.evaluate(everybody, now=NOW).members["mpid"].to_list() == list(range(5))
    assert reader.refresh().evaluate(everybody, now=NOW).members["mpid"].to_list() == list(range(10))
    assert reader.version == dataset.version


def test_who_looks_at_shards_stays_at_one_version_while_others_move_on(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "many", shards=3)
    dataset.load_batches([batch(number, named("a")) for number in range(30)], workspace="shop", input="ios")
    assert isinstance(dataset, sharded.ShardedDataset)
    looking = dataset.shards()
    seen = [next(looking).snapshot.size]
    dataset.load_batches([batch(number, named("a")) for number in range(30, 90)], workspace="shop", input="ios")
    seen += [shard.snapshot.size for shard in looking]
    assert sum(seen) == 30
    assert sum(shard.snapshot.size for shard in dataset.shards()) == 90


def test_settings_are_of_the_whole(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "many", shards=2)
    dataset.load_batches([batch(number, named("a")) for number in range(5)], workspace="shop", input="ios")
    dataset.set_event_tier(kind="custom", name="a", tier="preserve", workspace="shop")
    dataset.profile_retention_days = 30
    again = Dataset.open(dataset.path)
    assert again.profile_retention_days == 30
    assert again.evaluate(audience({"type": "event", "kind": "any"}), now=NOW).size == 0
    with pytest.raises(CoreError):
        again.evaluate(audience({"type": "event", "kind": "custom", "name": "a"}), now=NOW)


def test_groups_of_a_big_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments_module, "GROUP_EVENTS", 40)
    monkeypatch.setattr("core.data.batches.EVENTS", 10)
    dataset = filled(Dataset.create(tmp_path / "many", shards=3))
    assert not list(dataset.path.glob("shards/*/segments/*/staged-*"))
    one = filled(Dataset.create(tmp_path / "one"))
    assert one.evaluate(SOME, now=NOW).criteria == dataset.evaluate(SOME, now=NOW).criteria
    again = dataset.load_batches([each for each in documents(1, 15) if each["events"]], **WHERE[1])
    assert again.batches == again.events == 0


def test_what_is_none_of_the_whole(pair: tuple[Dataset, Dataset]) -> None:
    many = pair[1]
    for ask in (lambda: many.snapshot, lambda: many.evaluate(SOME, now=NOW).scope):
        with pytest.raises(CoreError):
            ask()


@pytest.mark.parametrize("shards", [0, -1, 5000])
def test_numbers_of_shards_that_cannot_be(tmp_path: Path, shards: int) -> None:
    with pytest.raises(DatasetError):
        Dataset.create(tmp_path / "many", shards=shards)
    assert not (tmp_path / "many").exists()


def test_a_shard_alone_is_not_written(pair: tuple[Dataset, Dataset]) -> None:
    with pytest.raises(DatasetError):
        load(Store(pair[1].path).shard(0), [batch(1)])


WRITER = """
import sys
from core import Dataset
from tests.core.test_compaction import WHERE, documents
dataset = Dataset.open(sys.argv[1])
print("ready", flush=True)
dataset.load_batches(documents(int(sys.argv[2]), 1500), **WHERE[0])
dataset.compact(full=True)
"""


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    """What one load puts into several shards is there altogether or not at all."""
    dataset = filled(Dataset.create(tmp_path / "many", shards=3))
    chance = random.Random(8)
    unchanged = 0
    for number in range(8):
        before = Store(dataset.path).manifest()
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(dataset.path), str(500 + number)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(float(np.exp(chance.uniform(-6, 1))))
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = Store(dataset.path).manifest()
        unchanged += after == before
        for part, manifest in zip(Store(dataset.path).parts(after), after.shards, strict=True):
            rows = part.read("events").collect().height
            assert rows == sum(segment.tables.get("events", 0) for segment in manifest.segments)
            assert part.read("profiles").collect().height == manifest.profiles
    assert unchanged
    dataset.refresh().load_batches([batch(1, named("after"))], workspace="shop", input="ios")
    for part in Store(dataset.path).parts(Store(dataset.path).manifest()):
        named_ones = {segment.name for segment in part.manifest().segments}
        assert {folder.name for folder in (part.path / "segments").iterdir()} == named_ones
