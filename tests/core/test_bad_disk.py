"""What goes wrong under a dataset: a full disk, a file that is gone, a newer format. A clear error, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from core import Audience, Dataset, DatasetError, DatasetTooNew, Evaluation
from core.composition import composition, reach, traits
from core.data.schema import FORMAT
from core.data.store import Store, explained
from core.hints import hints
from core.history import backtest
from core.members import some_members
from core.near_misses import near_misses
from tests.core.loads import T, batch, content, load, named
from tests.core.test_compaction import ROOT, documents

NOW = datetime.fromtimestamp(T / 1000 + 86_400, UTC)

FULL = """
import resource, sys
from core import Dataset
from core.errors import DatasetError
from tests.core.test_compaction import documents
dataset = Dataset.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    if sys.argv[3] == "load":
        dataset.load_batches(documents(50, 3000), workspace="shop", input="ios")
    else:
        dataset.compact(full=True)
except DatasetError as error:
    print(error.message, error.hint)
    sys.exit(7)
"""


@pytest.fixture(params=[None, 3], ids=["plain", "sharded"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Dataset:
    made = Dataset.create(tmp_path / "dataset", shards=request.param)
    for number in range(3):
        made.load_batches(documents(number, 400), workspace="shop", input="ios")
    return made


def state(dataset: Dataset) -> list[Any]:
    """Settings, numbers and every row; what a compaction of some shards may have changed is left out."""
    store = Store(dataset.path)
    manifest = store.manifest()
    told = (manifest.workspaces, manifest.profiles, manifest.next_arrival)
    return [told, *(content_of(part) for part in store.parts(manifest))]


def content_of(part: Store) -> dict[str, Any]:
    return content(part) if part.manifest().profiles else {}


@pytest.mark.parametrize("bytes_left", [100, 5_000, 10_000])
@pytest.mark.parametrize("what", ["load", "compact"])
def test_a_full_disk_leaves_the_dataset_as_it_was(dataset: Dataset, what: str, bytes_left: int) -> None:
    """A limit of the size of files stands for the full disk: the system refuses to write on, in mid-file."""
    before = state(dataset)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(dataset.path), str(bytes_left), what],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert str(dataset.path) in done.stdout
    assert "Check the disk" in done.stdout and "requested" not in done.stdout
    assert state(dataset) == before
    dataset.load_batches([batch(1, named("after"))], workspace="shop", input="ios")
    dataset.compact(full=True)
    store = Store(dataset.path)
    for part in [store, *store.parts(store.manifest())]:
        known = {segment.name for segment in part.manifest().segments}
        assert {folder.name for folder in (part.path / "segments").iterdir()} == known


FULL_CACHE = """
import resource, sys
from core import Dataset
from core.data import cache, columns, summaries
from tests.core.test_bad_disk import CRITERIA, asked
for module in (cache, columns, summaries):
    module.LEAST_ROWS = 1
dataset = Dataset.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
dataset.prepare()
print([asked(dataset, root) for root in CRITERIA.values()], len(dataset.entries(now=dataset.end)))
"""


@pytest.mark.parametrize("bytes_left", [0, 600, 5_000])
def test_a_disk_too_full_for_the_cache_only_costs_time(dataset: Dataset, bytes_left: int) -> None:
    assert dataset.end is not None
    sizes = [asked(dataset, root) for root in CRITERIA.values()]
    done = subprocess.run(
        [sys.executable, "-c", FULL_CACHE, str(dataset.path), str(bytes_left)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.stdout == f"{sizes} {len(dataset.entries(now=dataset.end))}\n", done.stderr
    assert not list(dataset.path.rglob("unfinished-*"))


def asked(dataset: Dataset, root: dict[str, Any]) -> int:
    document = {"name": "A", "workspaces": ["shop"], "definition": {"version": 1, "root": root}}
    return dataset.evaluate(Audience.from_dict(document), now=NOW).size


CRITERIA = {
    "events": {"type": "event", "kind": "custom", "name": "a"},
    "attributes": {"type": "user_attribute", "attribute": "x", "operator": "exists"},
    "profiles": {"type": "and", "criteria": []},
    "batches": {"type": "and", "criteria": []},
    "identities": {"type": "identity", "identity_type": "email", "operator": "exists"},
    "devices": {"type": "device", "field": "platform", "operator": "exists"},
    "consents": {"type": "consent", "regulation": "gdpr", "purpose": "ads", "state": "given"},
    "locations": {"type": "location", "operator": "equals", "city": "Paris"},
}


@pytest.mark.parametrize("table", CRITERIA)
def test_a_file_that_is_gone_is_named(dataset: Dataset, table: str) -> None:
    assert asked(Dataset.open(dataset.path), CRITERIA[table]) > 0
    gone = sorted(dataset.path.rglob(f"{table}.parquet"))[-1]
    gone.unlink()
    with pytest.raises(DatasetError) as caught:
        result = Dataset.open(dataset.path)
        asked(result, CRITERIA[table])
        document = {"name": "A", "workspaces": ["shop"], "definition": {"version": 1, "root": CRITERIA[table]}}
        _ = result.evaluate(Audience.from_dict(document), now=NOW).members
    assert str(gone) in caught.value.message
    assert "backup" in caught.value.hint


def test_a_file_that_was_cut_is_named(dataset: Dataset) -> None:
    """By questions, by compaction, which leaves all as it was, and by the SQL views."""
    file = sorted(dataset.path.rglob("events.parquet"))[-1]
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    asks: tuple[Callable[[Dataset], Any], ...] = (
        lambda data: asked(data, CRITERIA["events"]),
        lambda data: data.compact(full=True),
        lambda data: data.sql_views(),
    )
    for ask in asks:
        with pytest.raises(DatasetError, match="is damaged") as caught:
            ask(Dataset.open(dataset.path))
        assert str(file) in caught.value.message and "backup" in caught.value.hint
    file.write_bytes(content)
    assert asked(Dataset.open(dataset.path), CRITERIA["events"]) > 0


def test_what_is_said_of_a_full_disk(tmp_path: Path) -> None:
    """numpy speaks of items; other errors without a number of the system keep their words."""
    for said, told in (("16040 requested and 496 written", "the disk takes no more"), ("odd bytes", "odd bytes")):
        with pytest.raises(DatasetError, match=told), explained(tmp_path, "read"):
            raise OSError(said)


def everything(dataset: Dataset, found: Evaluation) -> dict[str, Callable[[], Any]]:
    """What a session goes on to ask, of the dataset and of an evaluation."""
    document = {"name": "A", "workspaces": ["shop"], "definition": {"version": 1, "root": CRITERIA["attributes"]}}
    other = Audience.from_dict(document)
    mpid = 3
    return {
        "the next criterion": lambda: dataset.evaluate(other, now=NOW).size,
        "an estimate": lambda: dataset.estimate(other, now=NOW),
        "members": lambda: found.members.rows(),
        "some members": lambda: some_members(found).rows(),
        "reach": lambda: reach(found).rows(),
        "near misses": lambda: near_misses(found),
        "hints": lambda: hints(found),
        "composition": lambda: [composition(found, trait.criterion).rows() for trait in traits(found)],
        "days": lambda: backtest(dataset, found.audience, now=NOW, days=2).days,
        "the catalog": lambda: dataset.entries(now=NOW),
        "the overview": lambda: dataset.catalog().rows(),
        "inputs": lambda: dataset.inputs(now=NOW),
        "values": lambda: dataset.values("event_attribute", "n", workspace="shop").rows(),
        "a profile": lambda: dataset.profile(mpid, now=NOW),
        "its events": lambda: dataset.timeline(mpid, now=NOW),
        "why": lambda: found.explain(mpid).to_dict(),
    }


def first(table: str) -> Callable[[Path], Iterable[Path]]:
    return lambda path: sorted(path.rglob(f"{table}.parquet"))[:1]


HARMS: dict[str, Callable[[Path], Iterable[Path]]] = {
    **{table: first(table) for table in ("events", "attributes", "identities", "profiles", "batches")},
    "a segment": lambda path: sorted(path.rglob("events.parquet"))[-1].parent.glob("*"),
    "the cache": lambda path: path.rglob("*.columns"),
    "the manifest": lambda path: [path / "MANIFEST.json"],
}


@pytest.mark.parametrize(("asked_before", "least_rows"), [(False, 1), (True, 1_000_000)], ids=["cold", "warm"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_file_that_vanishes_under_a_session(
    dataset: Dataset, harm: str, least_rows: int, asked_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened goes on to answer, what cannot be read is named; never a wrong number."""
    for module in ("cache", "columns", "summaries"):
        monkeypatch.setattr(f"core.data.{module}.LEAST_ROWS", least_rows)
    session = Dataset.open(dataset.path)
    document = {"name": "A", "workspaces": ["shop"], "definition": {"version": 1, "root": CRITERIA["events"]}}
    audience = Audience.from_dict(document)
    before = {name: ask() for name, ask in everything(dataset, dataset.evaluate(audience, now=NOW)).items()}
    found = session.evaluate(audience, now=NOW)
    questions = everything(session, found)
    if asked_before:
        assert {name: ask() for name, ask in questions.items()} == before
    for file in list(HARMS[harm](session.path)):
        file.unlink()
    for name, ask in questions.items():
        try:
            answer = ask()
        except DatasetError as error:
            assert "is gone" in error.message and "backup" in error.hint, name
        else:
            assert answer == before[name] or answer.symbol == "error", name
    if harm == "the cache":
        assert {name: ask() for name, ask in questions.items()} == before
    if harm == "the manifest":
        with pytest.raises(DatasetError, match="no dataset"):
            session.refresh()


@pytest.mark.parametrize("keys", ["batch_keys.npy", "event_keys.npy"])
def test_lost_keys_do_not_let_copies_in(dataset: Dataset, keys: str) -> None:
    before = state(dataset)
    gone = sorted(dataset.path.rglob(keys))[0]
    gone.unlink()
    with pytest.raises(DatasetError, match=gone.name):
        dataset.load_batches(documents(1, 20), workspace="shop", input="ios")
    assert state(dataset) == before


def test_a_newer_dataset_is_not_read(dataset: Dataset) -> None:
    file = dataset.path / "MANIFEST.json"
    file.write_bytes(orjson.dumps({**orjson.loads(file.read_bytes()), "format": FORMAT + 1}))
    for act in (lambda: Dataset.open(dataset.path), dataset.refresh, lambda: load(Store(dataset.path), [batch(1)])):
        with pytest.raises(DatasetTooNew, match=str(FORMAT + 1)):
            act()


def test_a_dataset_of_the_first_format_is_read_and_written(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "dataset")
    dataset.load_batches(documents(1, 20), workspace="shop", input="ios")
    file = dataset.path / "MANIFEST.json"
    document = orjson.loads(file.read_bytes())
    for key in ("generation", "retired", "shards"):
        del document[key]
    for segment in document["segments"]:
        segment["tables"] = {name: rows for name, rows in segment["tables"].items() if "keys" not in name}
    file.write_bytes(orjson.dumps({**document, "format": 1}))
    again = Dataset.open(dataset.path).load_batches(documents(1, 20), workspace="shop", input="ios")
    assert again.batches == again.events == 0
