"""Copies, identities, times, limits, order: what a load keeps and whose it is (DEFINITION 6)."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xxhash

from core.data import batches as batches_module
from core.data import segments as segments_module
from core.data.group import Staged
from core.data.keys import KeyMap, KeySet, keys_of
from core.data.loading import Loader, Part
from core.data.ordering import ordered
from core.data.segments import BATCH_KEYS, SegmentWriter
from core.data.store import Store
from core.errors import InputError
from tests.core.loads import T, batch, content, event, load, named, new, rows


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return new(tmp_path)


def mpids(store: Store) -> list[int]:
    return sorted(store.read("profiles").collect()["mpid"].to_list())


def derived(text: str) -> int:
    number = xxhash.xxh3_64_intdigest(text.encode())
    return number - 2**64 if number >= 2**63 else number


# -- copies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loads", [1, 2, 3])
def test_a_batch_seen_twice_counts_once(store: Store, loads: int) -> None:
    first = batch(1, named("a"), named("b"), source_request_id="r", user_attributes={"k": 1})
    copy = batch(2, named("c"), source_request_id="r", user_attributes={"k": 2}, user_identities={"email": "e"})
    other = batch(2, named("d"), source_request_id="s")
    documents = [first, copy, other]
    size = -(-len(documents) // loads)
    reports = [load(store, documents[start : start + size]) for start in range(0, len(documents), size)]
    assert sum(report.duplicates for report in reports) == 1
    assert sum(report.batches for report in reports) == 2
    assert sum(report.events for report in reports) == 3
    assert rows(store, "events", "name", "mpid") == [("a", 1), ("b", 1), ("d", 2)]
    assert rows(store, "attributes", "value", "mpid") == [("n1", 1)]
    assert rows(store, "identities", "value") == []


def test_the_same_request_through_another_input_is_another_batch(store: Store) -> None:
    document = batch(1, named("a", source_message_id="m"), source_request_id="r")
    assert load(store, [document]).duplicates == 0
    assert load(store, [document], input="web").duplicates == 0
    assert load(store, [document], workspace="other").duplicates == 0
    assert load(store, [document]).duplicates == 1


@pytest.mark.parametrize("together", [True, False])
def test_an_event_seen_twice_counts_once(store: Store, together: bool) -> None:
    place = {"city_name": "Paris"}
    told = {"publisher": "P"}
    events = [
        event(event_name="attribution", custom_event_type="attribution", custom_attributes=told, location=place),
        named("b"),
    ]
    for each in events:
        each["data"]["source_message_id"] = "m" + each["data"]["event_name"]
    changed = named("changed", source_message_id="mb")
    documents = [batch(1, *events), batch(1, events[0], changed, events[0]), batch(2, events[1])]
    parts = [documents] if together else [[each] for each in documents]
    reports = [load(store, part) for part in parts]
    assert sum(report.duplicates for report in reports) == 3
    assert sum(report.events for report in reports) == 3
    assert rows(store, "events", "name", "mpid") == [("attribution", 1), ("b", 1), ("b", 2)]
    assert len(rows(store, "locations", "mpid")) == 1
    assert len(rows(store, "attributions", "mpid")) == 1


def test_events_without_message_id_are_never_copies(store: Store) -> None:
    load(store, [batch(1, named("a"), named("a")), batch(1, named("a", source_message_id=""))])
    assert len(rows(store, "events", "name")) == 3


def test_first_run_and_upgrade_in_one_event_stay_two_rows(store: Store) -> None:
    both = event(
        "application_state_transition",
        application_transition_type="application_initialized",
        is_first_run=True,
        is_upgrade=True,
        source_message_id="m",
    )
    report = load(store, [batch(1, both, both)])
    assert (report.events, report.duplicates) == (1, 1)
    assert rows(store, "events", "kind", "also") == [("install", False), ("upgrade", True)]


# -- identities --------------------------------------------------------------------------------------------------------


def test_found_by_identity_across_workspaces_and_loads(store: Store) -> None:
    load(store, [batch(7, user_identities={"customer_id": "c"}), batch(None, user_identities={"email": "e"})])
    load(store, [batch(None, named("a"), user_identities={"CustomerId": "c"})], workspace="other")
    load(store, [batch(None, named("b"), user_identities={"email": "e"})], workspace="other")
    assert mpids(store) == sorted([7, derived("email:e")])
    assert rows(store, "events", "name", "mpid") == [("a", 7), ("b", derived("email:e"))]


@pytest.mark.parametrize(
    ("identities", "device", "expected"),
    [
        ({"other": "x", "email": "x", "customer_id": "x"}, {}, 1),
        ({"other": "x", "email": "x"}, {}, 2),
        ({"zzz": "x", "other": "x"}, {"push_token": "x"}, 3),
        ({"zzz": "x"}, {"push_token": "x"}, 4),
        ({"customer_id": "unknown"}, {"push_token": "x"}, 5),
    ],
)
def test_the_order_of_identity_types(store: Store, identities: Any, device: Any, expected: int) -> None:
    types = {"customer_id": 1, "email": 2, "other": 3, "zzz": 4}
    load(store, [batch(mpid, user_identities={kind: "x"}) for kind, mpid in types.items()])
    load(store, [batch(5, device_info={"push_token": "x"})])
    load(store, [batch(None, named("a"), user_identities=identities, device_info=device)])
    assert rows(store, "events", "mpid") == [(expected,)]


@pytest.mark.parametrize("together", [True, False])
def test_an_identity_belongs_to_whom_it_came_with_last(store: Store, together: bool) -> None:
    documents = [
        batch(1, user_identities={"email": "e"}),
        batch(None, named("a"), user_identities={"email": "e"}),
        batch(2, user_identities={"email": "e"}),
        batch(None, named("b"), user_identities={"email": "e"}, time=T - 99),
        batch(1, user_identities={"email": "e"}),
        batch(None, named("c"), user_identities={"email": "e", "customer_id": "k"}),
        batch(None, named("d"), user_identities={"customer_id": "k"}),
    ]
    for part in [documents] if together else [[each] for each in documents]:
        load(store, part)
    assert rows(store, "events", "name", "mpid") == [("a", 1), ("b", 2), ("c", 1), ("d", 1)]
    assert mpids(store) == [1, 2]


def test_a_copy_claims_nothing(store: Store) -> None:
    documents = [
        batch(1, user_identities={"email": "e"}, source_request_id="r"),
        batch(2, user_identities={"email": "e"}),
        batch(1, user_identities={"email": "e"}, source_request_id="r"),
        batch(None, named("a"), user_identities={"email": "e"}),
    ]
    load(store, documents)
    assert rows(store, "events", "mpid") == [(2,)]


def test_a_derived_profile_keeps_the_best_identity(store: Store) -> None:
    device = {"ios_idfv": "v"}
    load(store, [batch(None, device_info=device, user_identities={"email": "e", "customer_id": "c"})])
    assert mpids(store) == [derived("customer_id:c")]
    load(store, [batch(None, named("a"), device_info=device)])
    assert rows(store, "events", "mpid") == [(derived("customer_id:c"),)]


# -- times -------------------------------------------------------------------------------------------------------------


def test_the_time_of_a_batch(store: Store) -> None:
    early, late = named("e", timestamp_unixtime_ms=T - 10), named("l", timestamp_unixtime_ms=T - 3)
    documents = [
        batch(1, early, late, named("none"), time=T),
        batch(2, early, late, named("none"), time=None),
        batch(3, early, time=str(T)),  # type: ignore[arg-type]
        batch(4, early, time=float(T)),  # type: ignore[arg-type]
    ]
    assert load(store, documents).refusals == []
    assert rows(store, "batches", "mpid", "time_ms") == [(1, T), (2, T - 3), (3, T), (4, T)]
    assert rows(store, "events", "mpid", "name", "timestamp_ms")[:6] == [
        (1, "e", T - 10),
        (1, "l", T - 3),
        (1, "none", T),
        (2, "e", T - 10),
        (2, "l", T - 3),
        (2, "none", T - 3),
    ]


# -- limits ------------------------------------------------------------------------------------------------------------


def test_limits(store: Store) -> None:
    attributes = {"k" * 257: "v" * 4097, **{f"a{number}": "é" * 4096 for number in range(101)}}
    user = {"u" * 300: ["x"] * 1001, "l": ["y" * 5000], "ok": "z" * 4096}
    report = load(store, [batch(1, named("n" * 300, custom_attributes=attributes), user_attributes=user)])
    # the event: 2 attributes beyond 100, a key, a value, the name; the user: a key, an entry, an element
    assert report.cut == 8
    [row] = store.read("events").select("name", "attributes").collect().rows()
    assert row[0] == "n" * 256
    assert len(row[1]) == 100
    assert row[1][0] == {"key": "k" * 256, "value": "s" + "v" * 4096}
    assert row[1][-1]["key"] == "a98"
    found = dict(rows(store, "attributes", "key", "value"))
    assert found["u" * 256] == "l[" + ",".join(['"x"'] * 1000) + "]"
    assert found["l"] == f'l["{"y" * 4096}"]'
    assert found["ok"] == "s" + "z" * 4096


def test_nothing_is_cut_at_the_limit(store: Store) -> None:
    attributes = {"k" * 256: "v" * 4096, **{f"a{number}": 1 for number in range(99)}}
    report = load(store, [batch(1, named("é" * 256, custom_attributes=attributes), user_attributes={"l": [1] * 1000})])
    assert report.cut == 0


# -- order -------------------------------------------------------------------------------------------------------------


def some_batches(seed: int, count: int = 40, tame: bool = False) -> list[dict[str, Any]]:
    """Batches with shared identities and copies; tame ones have mpids, times of their own and neither of those."""
    chance = random.Random(seed)
    documents = []
    for number in range(count):
        mpid = chance.randrange(1, 6)
        events = [
            named(
                chance.choice("abc"),
                timestamp_unixtime_ms=T + number * 1000 + place,
                source_message_id=f"m{number}-{place}" if tame else f"m{chance.randrange(60)}",
                location={"city_name": chance.choice(["Paris", "Rome"])} if chance.random() < 0.3 else None,
                custom_attributes={"k": chance.randrange(9)},
            )
            for place in range(chance.randrange(4))
        ]
        document = batch(mpid, *events, time=T + number * 1000)
        document["source_request_id"] = f"r{number}" if tame else f"r{chance.randrange(45)}"
        document["user_attributes"] = {chance.choice("xy"): number}
        document["device_info"] = {"platform": chance.choice(["iOS", "Android"])}
        if tame:
            document["user_identities"] = {"customer_id": f"c{mpid}"}
        else:
            document["user_identities"] = {chance.choice(["customer_id", "email"]): f"i{chance.randrange(5)}"}
            if chance.random() < 0.5:
                del document["mpid"]
        documents.append(document)
    return documents


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [1, 7])
def test_one_load_or_several(tmp_path: Path, seed: int, size: int) -> None:
    documents = some_batches(seed)
    whole, parts = Store.create(tmp_path / "whole"), Store.create(tmp_path / "parts")
    load(whole, documents)
    for start in range(0, len(documents), size):
        load(parts, documents[start : start + size])
    assert content(whole) == content(parts)


@pytest.mark.parametrize("seed", range(3))
def test_small_parts_and_groups_are_one_load(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = some_batches(seed)
    whole, parts = Store.create(tmp_path / "whole"), Store.create(tmp_path / "parts")
    expected = load(whole, documents)
    monkeypatch.setattr(batches_module, "BLOCK_EVENTS", 15)  # about five documents
    monkeypatch.setattr(segments_module, "GROUP_EVENTS", 12)
    assert load(parts, documents) == expected
    assert len(parts.manifest().segments) > 1
    assert parts.manifest().version == 2
    assert not list(parts.path.glob("segments/*/staged-*"))
    assert content(whole) == content(parts)


def test_what_is_said_of_profiles_fills_groups_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of `batches` and seven of `attributes` take the room of two events: ten such batches fill a group of 20."""
    monkeypatch.setattr(batches_module, "BLOCK_EVENTS", 1)
    monkeypatch.setattr(segments_module, "GROUP_EVENTS", 20)
    documents = [batch(mpid, user_attributes=dict.fromkeys("abcdefg", mpid)) for mpid in range(20)]
    load(store, documents)
    segments = store.manifest().segments
    assert [segment.tables["attributes"] for segment in segments] == [70, 70]
    assert sum(segment.tables["profiles"] for segment in segments) == 20


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_tame_batches(tmp_path: Path, seed: int) -> None:
    documents = some_batches(seed, tame=True)
    straight, shuffled = Store.create(tmp_path / "straight"), Store.create(tmp_path / "shuffled")
    load(straight, documents)
    load(shuffled, random.Random(seed).sample(documents, len(documents)))
    ours, theirs = content(straight), content(shuffled)
    for table in ours:
        if table != "profiles":
            ours[table], theirs[table] = (
                sorted((row[1:] if table != "devices" else row for row in found), key=repr)
                for found in (ours[table], theirs[table])
            )
    assert {name: len(found) for name, found in ours.items()} == {name: len(found) for name, found in theirs.items()}
    assert ours["profiles"] == theirs["profiles"]
    assert ours["devices"] == theirs["devices"]


def test_rows_and_profiles_are_in_order(store: Store) -> None:
    load(store, some_batches(1, 80, tame=True))
    frame = store.read("events").select("kind", "name", "timestamp_ms", "profile", "arrival").collect()
    keys = [(kind, name, time // 86_400_000, *rest) for kind, name, time, *rest in frame.rows()]
    assert keys == sorted(keys)
    profiles = store.read("profiles").collect()
    assert profiles["profile"].to_list() == list(range(len(profiles)))
    assert profiles["hash"].is_sorted()
    assert profiles["hash"].to_list() == [
        xxhash.xxh3_64_intdigest(mpid.to_bytes(8, "little", signed=True), seed=1) for mpid in profiles["mpid"].to_list()
    ]


def test_profiles_are_never_renumbered(store: Store) -> None:
    load(store, [batch(mpid) for mpid in (5, 3, 9)])
    before = dict(store.read("profiles").select("mpid", "profile").collect().rows())
    report = load(store, [batch(mpid) for mpid in (9, 4, 3)])
    after = dict(store.read("profiles").select("mpid", "profile").collect().rows())
    assert report.profiles == 3
    assert after == {**before, 4: 3}
    assert store.manifest().profiles == 4


@pytest.mark.parametrize("apart", [1, 1 << 31])
def test_events_keep_their_order_of_arrival(apart: int) -> None:
    """By day, then profile, else as they came; also where the days lie too far apart to be packed with the profiles."""
    days = [5, 5, 2, 5, 2, 5]
    profiles = [7, 2**32 - 1, 7, 7, 7, 0]
    events = pl.DataFrame(
        {
            "name": ["a"] * 6,
            "timestamp_ms": [day * apart * 86_400_000 for day in days],
            "profile": pl.Series(profiles, dtype=pl.UInt32),
            "arrival": [0, 1, 2, 3, 4, 5],
        }
    )
    assert ordered(events)["arrival"].to_list() == [2, 4, 5, 0, 3, 1]


def test_times_of_segments(store: Store) -> None:
    load(store, [batch(1, named("a", timestamp_unixtime_ms=T - 7), time=T + 5)])
    [segment] = store.manifest().segments
    assert (segment.first_ms, segment.last_ms) == (T - 7, T + 5)
    assert segment.tables == {"profiles": 1, "batches": 1, "events": 1}


def test_an_empty_load_makes_the_input_known(store: Store) -> None:
    report = load(store, [])
    assert (report.batches, report.events, report.profiles) == (0, 0, 0)
    assert store.manifest().workspaces["shop"].inputs == {"ios": "platform"}


# -- parts of other producers ------------------------------------------------------------------------------------------


def test_a_user_without_mpid_and_identity(store: Store) -> None:
    users = pl.DataFrame({"mpid": [None], "arrival": [0]}, schema={"mpid": pl.Int64, "arrival": pl.Int64})
    with Loader(store, workspace="w", input="i", kind="feed") as loader, pytest.raises(InputError):
        loader.stage(Part(users, {}, 1))
    assert store.manifest().version == 1


def test_leaving_without_commit(store: Store) -> None:
    users = pl.DataFrame({"mpid": [1], "arrival": [0]})
    seen = pl.DataFrame({"user": [0], "time_ms": [T], "arrival": [0]}, schema_overrides={"user": pl.UInt32})
    with Loader(store, workspace="w", input="i", kind="feed") as loader:
        loader.stage(Part(users, {"batches": seen}, 1))
    assert store.manifest().version == 1
    assert list((store.path / "segments").iterdir()) == []


def test_events_of_a_part_in_any_order(store: Store) -> None:
    """An event is told again by its own user, whatever row it stood in."""

    def staged(*events: tuple[int, str]) -> Part:
        users, ids = [user for user, _ in events], [message for _, message in events]
        columns = {"user": users, "timestamp_ms": [T, T], "arrival": users, "message_id": ids, "kind": ["crash"] * 2}
        rows = pl.DataFrame(columns, schema_overrides={"user": pl.UInt32})
        return Part(pl.DataFrame({"mpid": [7, 8], "arrival": [0, 1]}), {"events": rows}, 2)

    duplicates = []
    for part in (staged((1, "b"), (0, "a")), staged((0, "a"), (1, "b"))):
        with Loader(store, workspace="w", input="i", kind="feed") as loader:
            loader.stage(part)
            duplicates.append(loader.commit().duplicates)
    assert duplicates == [0, 2]
    assert sorted(rows(store, "events", "message_id", "mpid")) == [("a", 7), ("b", 8)]


# -- keys --------------------------------------------------------------------------------------------------------------


def test_copies_among_parts_of_which_some_have_no_message_ids(store: Store) -> None:
    """A part without ids stands between two that share one; an event of the last has none."""

    def part(*ids: str | None) -> Part:
        size = len(ids)
        events = pl.DataFrame(
            {"user": [0] * size, "timestamp_ms": [T] * size, "arrival": range(size), "kind": ["custom"] * size},
            schema_overrides={"user": pl.UInt32},
        ).with_columns(name=pl.lit("Open"))
        given = {} if not any(ids) else {"message_id": pl.Series(ids, dtype=pl.String)}
        users = pl.DataFrame({"mpid": [7], "arrival": [0]})
        return Part(users, {"events": events.with_columns(**given)}, size)

    with Loader(store, workspace="shop", input="ios", kind="platform") as loader:
        for each in (part("a", "b"), part(None, None, None), part("a", None, "c")):
            loader.stage(each)
        report = loader.commit()
    assert (report.events, report.duplicates) == (7, 1)
    kept = store.read("events").sort("arrival").select("message_id").collect()["message_id"].to_list()
    assert kept == ["a", "b", None, None, None, None, "c"]


def test_keys_of_the_next_group_come_while_one_of_copies_is_settled(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group that has no rows has no folder; keys of batches that were staged behind it are saved with theirs."""
    monkeypatch.setattr(segments_module, "GROUP_EVENTS", 2)
    events = pl.DataFrame(
        {"user": [0, 0], "timestamp_ms": [T, T], "arrival": [0, 1], "kind": ["custom"] * 2, "name": ["Open"] * 2},
        schema_overrides={"user": pl.UInt32},
    )
    mpids, keys = np.array([7]), KeySet([])
    with store.writing() as writer, SegmentWriter(writer, "shop", "ios", keys, KeySet([])) as segments:
        keys.add(keys_of("s", pl.Series(["a"])))
        segments.add(Staged({"events": events}, mpids, np.array([False]), None))
        segments.add(Staged({"events": events}, mpids, None, None))
        segments.commit(writer.manifest.with_input("shop", "ios", "platform"), 4)
    (segment,) = store.manifest().segments
    assert (segment.tables["events"], segment.tables["batch_keys"]) == (2, 1)
    assert KeySet([store.file(segment, BATCH_KEYS)]).add(keys_of("s", pl.Series(["b", "a"]))).tolist() == [False, True]


def test_a_profile_keeps_its_number_however_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known profiles of big segments come from the column cache, those of small ones from their files."""
    store = new(tmp_path)
    for first, last in ((0, 40), (30, 45), (40, 60)):
        load(store, [batch(mpid, named("Open")) for mpid in range(first, last)])
        monkeypatch.setattr("core.data.numbering.LEAST_ROWS", 20)
        monkeypatch.setattr("core.data.cache.LEAST_ROWS", 20)
        monkeypatch.setattr("core.data.columns.LEAST_ROWS", 20)
    profiles = store.read("profiles").collect()
    assert sorted(profiles["mpid"].to_list()) == list(range(60))
    assert sorted(profiles["profile"].to_list()) == list(range(60))
    assert list((store.path / "cache").glob("*/*.columns"))
    events = store.read("events").join(store.read("profiles"), on="profile").collect()
    count = events.group_by("mpid").len().sort("mpid")
    twice = {*range(30, 45)}
    assert dict(count.rows()) == {mpid: 2 if mpid in twice else 1 for mpid in range(60)}


def test_key_sets(tmp_path: Path) -> None:
    keys = KeySet([])
    assert keys.add(keys_of("s", pl.Series(["a", "b", "a"], dtype=pl.String))).tolist() == [False, False, True]
    assert keys.add(keys_of("s", pl.Series(["c", "b"], dtype=pl.String))).tolist() == [False, True]
    assert keys.add(keys_of("t", pl.Series(["a"], dtype=pl.String))).tolist() == [False]
    assert keys.save(tmp_path / "k.npy")
    assert not keys.save(tmp_path / "none.npy")
    again = KeySet([tmp_path / "k.npy"])
    assert again.add(keys_of("s", pl.Series(["x", "c", "a"], dtype=pl.String))).tolist() == [False, True, True]


@pytest.mark.parametrize("seed", range(5))
def test_key_maps_are_dicts(seed: int) -> None:
    chance, known, ours = random.Random(seed), {}, KeyMap()
    for _ in range(20):
        texts = [str(chance.randrange(50)) for _ in range(chance.randrange(1, 30))]
        numbers = [chance.randrange(-99, 99) for _ in texts]
        known.update(zip(texts, numbers, strict=True))
        ours.put(keys_of("s", pl.Series(texts, dtype=pl.String)), np.array(numbers, dtype=np.int64))
        asked = [str(number) for number in range(60)]
        found, given = ours.get(keys_of("s", pl.Series(asked, dtype=pl.String)))
        assert [int(one) if has else None for has, one in zip(found, given, strict=True)] == [
            known.get(text) for text in asked
        ]
