"""The folder of a dataset: create, open, versions, settings, locks, leftovers (DEFINITION 4)."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from filelock import FileLock

from core.data import store as store_module
from core.data.manifest import Manifest, Retired, Segment, Workspace
from core.data.schema import FORMAT, TABLES
from core.data.store import Store
from core.errors import DatasetBusy, DatasetError, DatasetTooNew
from tests.core.loads import batch, load, named, new


def test_create_refuses_what_is_there(tmp_path: Path) -> None:
    Store.create(tmp_path / "a")
    with pytest.raises(DatasetError):
        Store.create(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError):
        Store.create(tmp_path / "b")
    with pytest.raises(DatasetError):
        Store.create(tmp_path / "b" / "notes.txt")
    assert (tmp_path / "b" / "notes.txt").read_text() == "mine"


def test_create_in_an_empty_folder_or_after_a_killed_create(tmp_path: Path) -> None:
    (tmp_path / "a" / "segments").mkdir(parents=True)
    (tmp_path / "a" / ".lock").touch()
    assert Store.create(tmp_path / "a").manifest().version == 1


@pytest.mark.parametrize("where", ["missing", "empty", "file"])
def test_open_needs_a_dataset(tmp_path: Path, where: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError):
        Store.open(tmp_path / where)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b'{"format": 1}', b'{"format": "x"}', b"null", b"\xff"])
def test_a_damaged_manifest_is_said(tmp_path: Path, text: bytes) -> None:
    store = new(tmp_path)
    (store.path / "MANIFEST.json").write_bytes(text)
    with pytest.raises(DatasetError):
        Store.open(store.path)


def test_a_newer_format_is_said(tmp_path: Path) -> None:
    store = new(tmp_path)
    document = orjson.loads((store.path / "MANIFEST.json").read_bytes())
    (store.path / "MANIFEST.json").write_bytes(orjson.dumps({**document, "format": FORMAT + 1, "news": 1}))
    with pytest.raises(DatasetTooNew):
        Store.open(store.path)


def test_a_manifest_survives_json() -> None:
    settings = Workspace({"ios": "platform"}, {("custom", "heartbeat"): "connect"}, {"ltv": {"name": "ltv"}})
    manifest = Manifest(
        7, (Segment("00000002-0", {"events": 3}, 1, 2),), 5, 9, {"shop": settings}, 30, 4, (Retired("a", 3),)
    )
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_every_table_has_its_columns_before_there_is_any_row(tmp_path: Path) -> None:
    store = new(tmp_path)
    for name, schema in TABLES.items():
        assert store.read(name).collect_schema() == schema
    load(store, [batch(1, named("a"))])
    for name, schema in TABLES.items():
        assert store.read(name).collect_schema() == schema


def test_every_commit_is_one_version(tmp_path: Path) -> None:
    store = new(tmp_path)
    assert store.manifest().version == 1
    load(store, [batch(1, named("a"), source_request_id="r")])
    assert store.manifest().version == 2
    store.set_event_tier("shop", "custom", "a", "preserve")
    store.set_calculated_attribute("shop", "ltv", {"name": "ltv"})
    store.set_profile_retention(30)
    manifest = store.manifest()
    assert manifest.version == 5
    assert manifest.workspaces["shop"].tiers == {("custom", "a"): "preserve"}
    assert manifest.workspaces["shop"].calculated_attributes == {"ltv": {"name": "ltv"}}
    assert manifest.profile_retention_days == 30


def test_what_changes_nothing_is_no_version(tmp_path: Path) -> None:
    store = new(tmp_path)
    load(store, [batch(1, named("a"), source_request_id="r")])
    assert load(store, [batch(1, named("a"), source_request_id="r")]).duplicates == 1
    store.set_event_tier("shop", "custom", "a", "personalize")
    store.set_profile_retention(None)
    assert store.manifest().version == 2


def test_settings_of_an_unknown_workspace_or_tier(tmp_path: Path) -> None:
    store = new(tmp_path)
    with pytest.raises(DatasetError):
        store.set_event_tier("shop", "custom", "a", "preserve")
    load(store, [batch(1, named("a"))])
    with pytest.raises(DatasetError):
        store.set_event_tier("shop", "custom", "a", "gold")


@pytest.mark.parametrize(
    ("workspace", "input"), [("", "ios"), ("shop", " "), ("a/b", "ios"), ("shop", "a/b"), (None, "x")]
)
def test_names_that_cannot_be(tmp_path: Path, workspace: str, input: str) -> None:
    store = new(tmp_path)
    with pytest.raises(DatasetError):
        load(store, [batch(1)], workspace=workspace, input=input)
    assert store.manifest().version == 1


def test_an_input_keeps_its_kind(tmp_path: Path) -> None:
    store = new(tmp_path)
    load(store, [batch(1)], input="crm", kind="feed")
    with pytest.raises(DatasetError):
        load(store, [batch(1)], input="crm", kind="platform")
    with pytest.raises(DatasetError):
        load(store, [batch(1)], input="web", kind="website")


def test_a_second_writer_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = new(tmp_path)
    monkeypatch.setattr(store_module, "LOCK_SECONDS", 0.1)
    with FileLock(store.path / ".lock"), pytest.raises(DatasetBusy):
        store.set_profile_retention(3)
    store.set_profile_retention(3)
    assert store.manifest().profile_retention_days == 3


def test_readers_keep_their_version(tmp_path: Path) -> None:
    store = new(tmp_path)
    load(store, [batch(1, named("a"))])
    before = store.manifest()
    load(store, [batch(2, named("b"))])
    assert store.read("events", before).collect()["name"].to_list() == ["a"]
    assert sorted(store.read("events").collect()["name"].to_list()) == ["a", "b"]


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    store = new(tmp_path)
    load(store, [batch(1, named("a"))])
    for name in ("unfinished-00000003-0", "00000003-0"):
        (store.path / "segments" / name).mkdir()
        (store.path / "segments" / name / "events.parquet").write_text("half")
    (store.path / "MANIFEST.json.new").write_text("{")
    load(store, [batch(2, named("b"))])
    assert sorted(folder.name for folder in (store.path / "segments").iterdir()) == ["00000002-0", "00000003-0"]
    assert sorted(store.read("events").collect()["name"].to_list()) == ["a", "b"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatasetError):
        Store.create(tmp_path / "file" / "inside")
