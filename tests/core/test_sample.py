"""Estimates from the sample's slice: the numbers of an estimate from everybody, whatever happens to the slice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import sampled_from

from core import Audience, Dataset, DatasetError
from core.data import sample
from core.data.sample import INDEX, SampleStore, one_in_of
from core.scope import Steps
from core.sharded import ShardedDataset
from tests.core.loads import T, batch, named
from tests.core.test_checksums import flip, pages
from tests.core.test_parquet import files
from tests.strategies import Situation, situations
from tests.worlds import SHAPES, dataset_of, moment, named_audiences, scratch

NOW = datetime.fromtimestamp(T / 1000 + 86_400, UTC)
ODD = {"type": "user_attribute", "attribute": "a", "operator": "equals", "value": 1}
BUSY = {"type": "event", "kind": "custom", "name": "a", "frequency": {"operator": "at_least", "value": 2}}


def audience(*criteria: dict[str, Any]) -> Audience:
    root = {"type": "or", "criteria": list(criteria)}
    return Audience.from_dict({"name": "A", "workspaces": ["shop"], "definition": {"version": 1, "root": root}})


SOME = audience(ODD, BUSY)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of a hundred."""
    monkeypatch.setattr(sample, "SAMPLE", 100)


def fill(dataset: Dataset, first: int, last: int) -> None:
    """Profiles of these numbers; every third has two events."""
    documents = [
        batch(number, *[named("a")] * (2 if number % 3 == 0 else 1), user_attributes={"a": number % 2})
        for number in range(first, last)
    ]
    dataset.load_batches(documents, workspace="shop", input="ios")


def sliced(dataset: Dataset) -> bool:
    """Whether estimates judge a slice."""
    shards = list(dataset.shards()) if isinstance(dataset, ShardedDataset) else [dataset]
    profiles = dataset.size[0]
    return all(shard._sampler.snapshot(shard.snapshot, profiles) is not None for shard in shards)


def test_one_in_so_many() -> None:
    # 50,000 of 199,999 are more than a quarter; of 200,000 exactly one; then every doubling.
    assert [one_in_of(each) for each in (0, 199_999, 200_000, 399_999, 400_000, 1_000_000)] == [
        None, None, 4, 4, 8, 16,
    ]  # fmt: skip


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("shards", [None, 3])
def test_the_same_numbers_from_fewer_profiles(tmp_path: Path, shards: int | None) -> None:
    dataset = Dataset.create(tmp_path / "data", shards=shards)
    fill(dataset, 0, 500)
    fill(dataset, 500, 1_000)
    whole = dataset.estimate(SOME, now=NOW)
    assert not sliced(dataset) and whole.size is not None and 70 < whole.sample_users < 130
    dataset.prepare()
    assert sliced(dataset)
    fresh = Dataset.open(dataset.path)
    assert fresh.estimate(SOME, now=NOW) == dataset.estimate(SOME, now=NOW) == whole
    parts = [shard._sampled(SOME, NOW, {}, 1_000, Steps()) for shard in _shards(fresh)]
    assert sum(scope.size for scope, _ in parts) < 200, "an eighth of them is judged"
    assert sum(universe for _, universe in parts) == 1_000


def _shards(dataset: Dataset) -> list[Dataset]:
    return list(dataset.shards()) if isinstance(dataset, ShardedDataset) else [dataset]


@pytest.mark.usefixtures("few")
def test_a_load_adds_to_the_slice(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "data")
    fill(dataset, 0, 800)
    dataset.prepare()
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "data").rglob(INDEX)}
    fill(dataset, 700, 1_000)
    assert not sliced(dataset), "not filled yet: everybody is judged"
    whole = dataset.estimate(SOME, now=NOW)
    dataset.prepare()
    assert sliced(dataset) and dataset.estimate(SOME, now=NOW) == whole
    after = {file: file.stat().st_mtime_ns for file in (tmp_path / "data").rglob(INDEX)}
    assert len(after) == 2 and written.items() <= after.items()
    dataset.compact(full=True)
    assert not sliced(dataset) and dataset.estimate(SOME, now=NOW) == whole
    dataset.prepare()
    assert sliced(dataset) and dataset.estimate(SOME, now=NOW) == whole
    dataset.add_input("shop", "web")  # whoever writes sweeps
    assert len(list((tmp_path / "data").rglob(INDEX))) == 1


@pytest.mark.usefixtures("few")
def test_more_profiles_make_it_finer(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "data")
    for last in (800, 1_700):
        fill(dataset, 0, last)
        whole = dataset.estimate(SOME, now=NOW)
        dataset.prepare()
        assert sliced(dataset) and dataset.estimate(SOME, now=NOW) == whole
    assert {file.parents[2].name for file in (tmp_path / "data").rglob(INDEX)} >= {"sample-16"}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "index", "other"])
def test_a_damaged_slice_is_none(tmp_path: Path, damage: str) -> None:
    dataset = Dataset.create(tmp_path / "data")
    fill(dataset, 0, 1_000)
    whole = dataset.estimate(SOME, now=NOW)
    dataset.prepare()
    folder = next((tmp_path / "data").rglob(INDEX)).parent
    file = folder / (INDEX if damage in ("index", "other") else "attributes.parquet")
    content = file.read_bytes()
    middle = len(content) // 2
    if damage == "gone":
        file.unlink()
    else:
        changed = {
            "cut": content[:middle],
            "index": content[:middle],
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "other": content.replace(b'"source":"', b'"source":"1'),
        }
        file.write_bytes(changed[damage])
    again = Dataset.open(dataset.path)
    assert not sliced(again) and again.estimate(SOME, now=NOW) == whole
    again.prepare()
    assert sliced(again) and again.estimate(SOME, now=NOW) == whole


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("column", ["timestamp_ms", "name"])
def test_no_slice_is_made_of_a_page_that_changed(tmp_path: Path, column: str) -> None:
    dataset = Dataset.create(tmp_path / "data")
    fill(dataset, 0, 1_000)
    (file,) = files(dataset, "events")
    untouched = file.read_bytes()
    flip(file, pages(file)[column][1] - 1)
    with pytest.raises(DatasetError, match="is damaged"):
        Dataset.open(dataset.path).prepare()
    again = Dataset.open(dataset.path)
    again._sampler.fill(again.snapshot, again.size[0], lambda: True)
    assert not sliced(again)
    assert not list(dataset.path.rglob("sample-*/**/events.parquet"))
    file.write_bytes(untouched)
    restored = Dataset.open(dataset.path)
    restored.prepare()
    assert sliced(restored)


@pytest.mark.usefixtures("few")
def test_where_nothing_can_be_written_everybody_is_judged(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "data")
    fill(dataset, 0, 1_000)
    (tmp_path / "data" / "cache").write_text("a file in its place")
    dataset.prepare()
    assert not sliced(dataset) and dataset.estimate(SOME, now=NOW).symbol is None


@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate], max_examples=25)
@given(situations, sampled_from(SHAPES))
def test_the_slice_answers_like_the_whole(found: Situation, shape: str) -> None:
    """Members in the slice are the members whose hash is in it, of any audience."""
    with pytest.MonkeyPatch.context() as patch, scratch() as folder:
        patch.setattr(sample, "SAMPLE", 1)
        patch.setattr(sample, "LEAST", 2)
        dataset = dataset_of(found, folder / "data", shape)
        dataset.prepare()
        profiles, named_ones = dataset.size[0], named_audiences(found)
        one_in = one_in_of(profiles)
        for document in found.audiences if one_in is not None else ():
            asked = Audience.from_dict(document)
            for shard in _shards(dataset):
                scope, universe = shard._sampled(asked, moment(found.now), named_ones, profiles, Steps())
                assert isinstance(scope.snapshot.store, SampleStore)
                whole = shard.scope(asked, moment(found.now), named_ones)
                inside = whole.snapshot.hash <= np.uint64((1 << 64) // (one_in or 1) - 1)
                assert universe == np.count_nonzero(whole.universe)
                for mask, part in (
                    (whole.universe, scope.universe),
                    (whole.judge(asked.root), scope.judge(asked.root)),
                ):
                    expected = whole.snapshot.mpid[mask & inside]
                    assert scope.snapshot.mpid[part].tolist() == expected.tolist(), document
