"""`workbench import`: every format, the report, refusals one by one, and nothing half-written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from tests.commands.conftest import BATCHES, batch, lines
from tests.commands.running import Done, audience, files, save, workbench

INTO = ("--dataset", "shop", "--workspace", "app", "--input", "ios")
EVERYBODY = audience({"type": "and", "criteria": []})
COUNTS = ("batches", "events", "profiles", "duplicates", "skipped", "cut")


def load(folder: Path, *arguments: object) -> Done:
    return workbench(folder, "import", *arguments, *INTO)


def counts(done: Done) -> dict[str, int]:
    assert done.code == 0, done.err
    assert list(done.json) == [*COUNTS, "refusals"]
    return {name: done.json[name] for name in COUNTS}


LOADED = {"batches": 6, "events": 4, "profiles": 3, "duplicates": 0, "skipped": 0, "cut": 0}


def test_the_report(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(BATCHES))
    assert counts(load(tmp_path, "a.jsonl", "--json")) == LOADED
    again = load(tmp_path, "a.jsonl", "--json")
    assert counts(again) == {**dict.fromkeys(COUNTS, 0), "duplicates": 6}
    words = load(tmp_path, "a.jsonl")
    assert (words.code, words.err) == (0, "")
    assert words.out.splitlines()[0] == "Loaded into app/ios of shop"


@pytest.mark.parametrize("name", ["a.json", "a.jsonl.gz", "a.ndjson.zst", "folder", "*.jsonl", "list.json"])
def test_files_folders_and_patterns(tmp_path: Path, name: str) -> None:
    text = lines(BATCHES)
    (tmp_path / "a.json").write_text(text)
    (tmp_path / "list.json").write_text(json.dumps(BATCHES))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "a.ndjson.zst").write_bytes(zstandard.compress(text.encode()))
    (tmp_path / "folder" / "below").mkdir(parents=True)
    for place, part in (("folder", BATCHES[:3]), ("folder/below", BATCHES[3:])):
        (tmp_path / place / "part.jsonl").write_text(lines(part))
    for at, part in enumerate((BATCHES[:3], BATCHES[3:])):
        (tmp_path / f"part{at}.jsonl").write_text(lines(part))
    assert counts(load(tmp_path, name, "--json")) == LOADED


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(BATCHES))
    assert counts(load(tmp_path, "a.jsonl", "./a.jsonl", "*.jsonl", "--json")) == LOADED


def test_development_is_skipped_unless_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines([batch(1, 0), batch(2, 0, environment="development")]))
    assert counts(load(tmp_path, "a.jsonl", "--json"))["skipped"] == 1
    assert counts(load(tmp_path, "a.jsonl", "--environment", "all", "--json"))["batches"] == 1


def test_an_arrival_stands_for_the_time_of_what_has_none(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines([{"mpid": 1, "user_attributes": {"tier": "gold"}}]))
    assert load(tmp_path, "a.jsonl", "--received-at", "2026-06-30T14:00:00+02:00").code == 0
    save(tmp_path / "A.json", EVERYBODY)
    found = workbench(tmp_path, "evaluate", "A.json", "--dataset", "shop", "--json").json
    assert (found["size"], found["now"]) == (1, "2026-06-30T12:00:00Z")


def test_what_is_refused_is_told_one_by_one_and_the_rest_loads(tmp_path: Path) -> None:
    good = json.dumps(batch(1, 0))
    bad = ["{oops", '"text"', '{"mpid": 1e30}', '{"mpid": NaN}', "{}", "[" * 10_000 + "]" * 10_000]
    (tmp_path / "a.jsonl").write_text("\n".join([*bad, good, ""]))
    found = load(tmp_path, "a.jsonl", "--json")
    assert counts(found)["batches"] == 1
    refusals = found.json["refusals"]
    assert sorted(each["line"] for each in refusals) == [1, 2, 3, 4, 5, 6]
    assert all(each["source"] == "a.jsonl" and each["reason"] for each in refusals)
    words = load(tmp_path, "a.jsonl")
    assert words.code == 0
    assert sorted(line.split(": ")[0] for line in words.told) == [f"a.jsonl:{at}" for at in range(1, 7)]


NOTHING: dict[str, tuple[str, bytes]] = {
    "no UTF-8": ("a.jsonl", b"\xff\xfe\n"),
    "truncated gzip": ("a.jsonl.gz", gzip.compress(lines(BATCHES * 200).encode())[:200]),
    "no gzip": ("a.jsonl.gz", b"hello"),
    "no zstandard": ("a.jsonl.zst", b"hello"),
    "no JSON": ("a.jsonl", b"<batch/>"),
    "no Parquet": ("a.parquet", b"PAR1 is no Parquet"),
    "no Arrow": ("a.arrow", b"ARROW1 is none"),
    "10,000 levels": ("a.jsonl", b"[" * 10_000 + b"]" * 10_000),
    "a number of 5,000 digits": ("a.jsonl", b'{"mpid": ' + b"9" * 5000 + b"}"),
}


@pytest.mark.parametrize(("name", "content"), NOTHING.values(), ids=NOTHING)
def test_a_file_of_which_nothing_can_be_read_leaves_no_dataset(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    done = load(tmp_path, name)
    assert done.code == 2
    assert all(": " in line or "damaged" in line for line in done.told)
    assert files(tmp_path) == [name]


@pytest.mark.parametrize(("name", "content"), NOTHING.values(), ids=NOTHING)
def test_a_file_of_which_nothing_can_be_read_changes_no_dataset(shop: Path, name: str, content: bytes) -> None:
    (shop / name).write_bytes(content)
    assert load(shop, name).code == 2
    save(shop / "A.json", EVERYBODY)
    found = workbench(shop, "evaluate", "A.json", "--dataset", "shop", "--json").json
    assert (found["size"], found["now"]) == (3, "2026-06-30T12:00:00Z")


# --- tables and messages -------------------------------------------------------------------------------------------

ROWS = [
    {"who": "a", "at": "2026-06-29T10:00:00Z", "what": "Play", "seconds": "30"},
    {"who": "a", "at": "2026-06-29T11:00:00Z", "what": "buy", "seconds": ""},
    {"who": "b", "at": "2026-06-29T12:00:00Z", "what": "Play", "seconds": "60"},
    {"who": "b", "at": "no time", "what": "Play", "seconds": "60"},
]
MAPPING = {
    "rows": "events",
    "user": {"column": "who", "identity_type": "customer_id"},
    "time": {"column": "at"},
    "event": {"column": "what"},
    "kinds": {"buy": {"kind": "ecommerce", "name": "purchase"}},
    "attributes": ["seconds"],
    "nulls": [""],
}


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.arrow"])
def test_tables_by_a_mapping(tmp_path: Path, name: str) -> None:
    frame = pl.DataFrame(ROWS)
    text = frame.write_csv().encode()
    path = tmp_path / name
    match name:
        case "t.csv":
            path.write_bytes(text)
        case "t.csv.gz":
            path.write_bytes(gzip.compress(text))
        case "t.parquet":
            frame.write_parquet(path)
        case "t.arrow":
            frame.write_ipc(path)
    save(tmp_path / "mapping.json", MAPPING)
    found = load(tmp_path, name, "--mapping", "mapping.json", "--json")
    assert counts(found)["events"] == 3
    assert [(each["source"], "at" in each["reason"]) for each in found.json["refusals"]] == [(name, True)]
    played = {"type": "event", "kind": "custom", "name": "Play", "where": [
        {"attribute": "seconds", "operator": "at_least", "value": 60}]}  # fmt: skip
    for root, size in ((played, 1), ({"type": "event", "kind": "ecommerce", "name": "purchase"}, 1)):
        save(tmp_path / "A.json", audience(root))
        assert workbench(tmp_path, "evaluate", "A.json", "--dataset", "shop", "--json").json["size"] == size


def test_a_guessed_mapping_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("user_id,event,timestamp\na,Play,2026-06-29T10:00:00Z\n")
    done = load(tmp_path, "t.csv")
    assert done.code == 0
    assert len(done.told) == 1
    guessed = json.loads(done.told[0].partition("): ")[2])
    assert guessed["user"]["column"] == "user_id"
    assert guessed["time"]["column"] == "timestamp"


def test_segment_messages_are_said_to_be_such(tmp_path: Path) -> None:
    message = {
        "type": "track",
        "event": "Play",
        "userId": "a",
        "messageId": "m1",
        "timestamp": "2026-06-29T10:00:00Z",
        "properties": {"seconds": 30},
    }
    (tmp_path / "s.jsonl").write_text(lines([message]))
    assert counts(load(tmp_path, "s.jsonl", "--format", "segment", "--json"))["events"] == 1


@pytest.mark.parametrize(
    "mapping",
    [
        [],
        {**MAPPING, "rows": "people"},
        {**MAPPING, "users": 1},
        {**MAPPING, "user": {"column": "nobody", "identity_type": "customer_id"}},
        {**MAPPING, "time": {"column": "at", "unit": "fortnights"}},
    ],
    ids=["a list", "unknown rows", "unknown key", "no such column", "unknown unit"],
)
def test_a_mapping_that_is_none_is_told(tmp_path: Path, mapping: Any) -> None:
    (tmp_path / "t.csv").write_text(pl.DataFrame(ROWS).write_csv())
    save(tmp_path / "mapping.json", mapping)
    done = load(tmp_path, "t.csv", "--mapping", "mapping.json")
    assert (done.code, done.out) == (2, "")
    assert done.told
    assert files(tmp_path) == ["mapping.json", "t.csv"]


# --- misuse --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("missing.jsonl",), "missing.jsonl: "),
        (("*.zip",), "*.zip: "),
        (("a.jsonl", "t.csv"), "--format: "),
        (("odd.xyz",), "odd.xyz: "),
        (("a.jsonl", "--mapping", "odd.xyz"), "--mapping: "),
        (("t.csv", "--environment", "all"), "--environment: "),
        (("a.jsonl", "--received-at", "noon"), "--received-at: "),
        (("a.jsonl", "--kind", "pigeon"), "--kind: "),
        (("a.jsonl", "--format", "xml"), "--format: "),
        ((), "workbench import: "),
    ],
)
def test_misuse_is_one_line_and_makes_nothing(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    for name in ("a.jsonl", "t.csv", "odd.xyz"):
        (tmp_path / name).write_text("")
    done = load(tmp_path, *arguments)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert done.err.startswith(told)
    assert files(tmp_path) == ["a.jsonl", "odd.xyz", "t.csv"]


@pytest.mark.parametrize(("workspace", "name"), [("", "ios"), ("a/b", "ios"), ("app", ""), ("app", "a\nb")])
def test_names_that_cannot_be(tmp_path: Path, workspace: str, name: str) -> None:
    (tmp_path / "a.jsonl").write_text(lines(BATCHES))
    done = workbench(tmp_path, "import", "a.jsonl", "--dataset", "shop", "--workspace", workspace, "--input", name)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert files(tmp_path) == ["a.jsonl"]


def test_a_known_input_keeps_its_kind(shop: Path) -> None:
    done = load(shop, "batches.jsonl", "--kind", "feed")
    assert (done.code, len(done.told)) == (2, 1)
    assert load(shop, "batches.jsonl").code == 0


def test_a_place_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(BATCHES))
    (tmp_path / "shop").write_text("a file")
    done = load(tmp_path, "a.jsonl")
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert (tmp_path / "shop").read_text() == "a file"


def test_without_dataset_it_is_the_home_s(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(lines(BATCHES))
    done = workbench(tmp_path, "import", "a.jsonl", "--workspace", "app", "--input", "ios", "--json")
    assert counts(done) == LOADED
    save(tmp_path / "A.json", EVERYBODY)
    assert workbench(tmp_path, "evaluate", "A.json", "--json").json["size"] == 3
