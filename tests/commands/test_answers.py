"""`workbench check`, `evaluate`, `estimate`: exit codes, JSON shapes, one line a problem, nothing half-written."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.commands.running import Done, audience, files, save, workbench

GOLD = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"}
PLAYED = {"type": "event", "kind": "custom", "name": "Play"}
BOTH = {"type": "and", "criteria": [GOLD, {"type": "not", "criterion": PLAYED}]}
NUMBER = {"type": "user_attribute", "attribute": "tier", "operator": "equals", "value": 1}
BROKEN = {
    "type": "and",
    "criteria": [
        {"type": "user_attribute", "attribute": "x", "operator": "containz", "value": "y"},
        {"type": "event", "kind": "custom", "where": [{"attribute": "a", "operator": "exists", "extra": 1}]},
    ],
}
"""Two problems in the definition, and the empty inputs below make three."""


def member_of(audience_id: str) -> dict[str, Any]:
    return {"type": "audience_membership", "audience": audience_id, "operator": "in"}


def ask(folder: Path, command: str, document: Any, *more: object) -> Done:
    """A command about an audience in the shop."""
    save(folder / "A.json", document)
    return workbench(folder, command, "A.json", "--dataset", "shop", *more)


# --- check ---------------------------------------------------------------------------------------------------------


def test_check_of_a_good_audience(shop: Path) -> None:
    done = ask(shop, "check", audience(BOTH))
    assert (done.code, done.err) == (0, "")
    assert "no problems" in done.out
    assert ask(shop, "check", audience(BOTH), "--json").json == {"problems": [], "warnings": []}


def test_check_warns_and_answers_zero(shop: Path) -> None:
    unknown = audience({**GOLD, "attribute": "never"})
    done = ask(shop, "check", unknown)
    assert done.code == 0
    assert len(done.told) == 1
    assert done.told[0].startswith("root: warning: ")
    found = ask(shop, "check", unknown, "--json").json
    assert found["problems"] == []
    assert [sorted(each) for each in found["warnings"]] == [["hint", "message", "path"]]
    assert [each["path"] for each in found["warnings"]] == ["root"]


def test_check_tells_every_problem_once_a_line(shop: Path) -> None:
    done = ask(shop, "check", audience(BROKEN, inputs=[]))
    assert done.code == 2
    assert [line.split(": ")[0] for line in done.told] == [
        "audience",
        "root.criteria[0]",
        "root.criteria[1].where[0]",
    ]
    found = ask(shop, "check", audience(BROKEN, inputs=[]), "--json")
    assert found.code == 2
    assert [each["path"] for each in found.json["problems"]] == ["", "root.criteria[0]", "root.criteria[1].where[0]"]
    assert found.json["warnings"] == []


def test_check_tells_problems_of_the_dataset(shop: Path) -> None:
    """An unknown workspace and input are the audience's; a calculated attribute is the criterion's."""
    scope = ask(shop, "check", audience(GOLD, workspaces=["app", "zoo"], inputs=["fax"]))
    assert [line.split(": ")[0] for line in scope.told] == ["audience", "audience"]
    calculated = {"type": "calculated_attribute", "name": "ltv", "operator": "exists"}
    missing = ask(shop, "check", audience({"type": "or", "criteria": [calculated, calculated]}))
    assert [line.split(": ")[0] for line in missing.told] == ["root.criteria[0]", "root.criteria[1]"]


def test_check_without_any_dataset_is_of_the_form(tmp_path: Path) -> None:
    save(tmp_path / "A.json", audience(GOLD))
    done = workbench(tmp_path, "check", "A.json")
    assert (done.code, done.err) == (0, "")
    assert "no dataset was asked" in done.out


# --- evaluate ------------------------------------------------------------------------------------------------------


def test_evaluate_answers_as_of_the_end_of_data(shop: Path) -> None:
    """Gold are 1 and 2; 1 and 3 played: gold without those who played is 2."""
    found = ask(shop, "evaluate", audience(BOTH), "--json")
    assert (found.code, found.told) == (0, ["now: as of 30 Jun 2026 12:00 UTC, end of data"])
    assert found.json["seconds"] > 0
    assert {key: value for key, value in found.json.items() if key != "seconds"} == {
        "size": 1,
        "universe": 3,
        "now": "2026-06-30T12:00:00Z",
        "criteria": [
            {"path": "root", "size": 1, "here": 1, "unique": 2},
            # Alone 2; without later siblings 2; without it everybody who did not play, 1: 1 - 1 = 0.
            {"path": "root.criteria[0]", "size": 2, "here": 2, "unique": 0},
            {"path": "root.criteria[1]", "size": 1, "here": 1, "unique": 1},
            # Nothing stands after it; without it the exclusion goes too, which leaves the 2 that are gold: 2 - 1 = 1.
            {"path": "root.criteria[1].criterion", "size": 2, "here": 1, "unique": 1},
        ],
    }


def test_evaluate_at_an_earlier_moment(shop: Path) -> None:
    """At 27 June only the play of six days before the end had happened, and nobody was known to be gold."""
    found = ask(shop, "evaluate", audience(PLAYED), "--now", "2026-06-27T14:00:00+02:00", "--json")
    assert (found.code, found.err) == (0, "")
    assert (found.json["size"], found.json["universe"], found.json["now"]) == (1, 1, "2026-06-27T12:00:00Z")


def test_evaluate_in_words(shop: Path) -> None:
    done = ask(shop, "evaluate", audience(BOTH, name="Gold, never played"), "--engine", "polars")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [
        "Gold, never played",
        "1 of 3 profiles (33.3 %), as of 30 Jun 2026 12:00 UTC, end of data",
    ]


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_members_are_written(shop: Path, name: str) -> None:
    assert ask(shop, "evaluate", audience(GOLD), "--members", name).code == 0
    if name == "m.csv":
        with (shop / name).open(newline="") as file:
            assert list(csv.reader(file)) == [["mpid"], ["1"], ["2"]]
    else:
        found = pl.read_parquet(shop / name)
        assert found.schema == {"mpid": pl.Int64}
        assert found["mpid"].to_list() == [1, 2]


@pytest.mark.parametrize("name", ["m.txt", "nowhere/m.csv", "shop/MANIFEST.json/m.csv"])
def test_members_that_cannot_be_written_leave_nothing(shop: Path, name: str) -> None:
    before = files(shop)
    done = ask(shop, "evaluate", audience(GOLD), "--members", name)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert files(shop) == sorted([*before, "A.json"])


def test_an_invalid_audience_writes_no_members_and_no_answer(shop: Path) -> None:
    (shop / "m.csv").write_text("mine")
    for command in ("evaluate", "estimate"):
        more = ("--members", "m.csv") if command == "evaluate" else ()
        done = ask(shop, command, audience(BROKEN, inputs=[]), "--json", *more)
        assert (done.code, done.out, len(done.told)) == (2, "", 3)
    assert (shop / "m.csv").read_text() == "mine"


# --- memberships ---------------------------------------------------------------------------------------------------


def test_memberships_are_answered_by_the_file_of_audiences(shop: Path) -> None:
    save(shop / "others.json", {"gold": audience(GOLD)})
    found = ask(shop, "evaluate", audience(member_of("gold")), "--audiences", "others.json", "--json")
    assert (found.code, found.json["size"]) == (0, 2)
    named = ask(shop, "check", audience(member_of("gold")), "--audiences", "others.json", "--json")
    assert named.json == {"problems": [], "warnings": []}


@pytest.mark.parametrize(
    ("others", "starts"),
    [
        ({"gold": audience(member_of("b")), "b": audience(member_of("gold"))}, ["root: "]),
        ({"gold": audience(member_of("gold"))}, ["root: "]),
        ({}, ["root: "]),
        ({"gold": audience(BROKEN)}, ["others.json gold root.criteria[0]: ", "others.json gold root.criteria[1]"]),
        ([], ["others.json: "]),
        ({"gold": []}, ["others.json gold: "]),
    ],
    ids=["cycle", "itself", "unknown", "broken", "a list", "no audience"],
)
def test_memberships_that_cannot_be_answered(shop: Path, others: Any, starts: list[str]) -> None:
    save(shop / "others.json", others)
    for command in ("check", "evaluate", "estimate"):
        done = ask(shop, command, audience(member_of("gold")), "--audiences", "others.json")
        assert (done.code, len(done.told)) == (2, len(starts))
        assert all(line.startswith(start) for line, start in zip(done.told, starts, strict=True))


def test_an_audience_that_names_itself_by_a_file_of_its_own_id(shop: Path) -> None:
    save(shop / "others.json", {"A": audience(member_of("A"))})
    done = ask(shop, "evaluate", audience(member_of("A")), "--audiences", "others.json")
    assert (done.code, len(done.told)) == (2, 1)


# --- estimate ------------------------------------------------------------------------------------------------------


def test_estimate_of_few_profiles_is_exact(shop: Path) -> None:
    found = ask(shop, "estimate", audience(GOLD), "--json")
    assert found.code == 0
    assert found.json == {"size": 2, "low": 2, "high": 2, "sample_users": 3, "symbol": None, "reason": None}
    assert "2 profiles, exactly" in ask(shop, "estimate", audience(GOLD)).out


# --- files that are no audience ------------------------------------------------------------------------------------

DEEP = '{"type":"not","criterion":' * 10_000 + '{"type":"and","criteria":[]}' + "}" * 10_000
WHOLE = '{"name":"A","workspaces":["app"],"definition":{"version":1,"root":%s}}'
EQUALS = '{"type":"user_attribute","attribute":"tier","operator":"equals","value":%s}'
FILES: dict[str, bytes] = {
    "no JSON": b'{"name": ',
    "empty": b"",
    "no UTF-8": b'{"name":"\xff"}',
    "half a character": (WHOLE % '{"type":"and","criteria":[]}').replace('"A"', '"\\ud800"').encode(),
    "a key twice": b'{"name":"a","name":"b"}',
    "a list": b"[]",
    "NaN": (WHOLE % (EQUALS % "NaN")).encode(),
    "infinite": (WHOLE % (EQUALS % "1e999")).encode(),
    "5,000 digits": (WHOLE % (EQUALS % ("9" * 5000))).encode(),
    "10,000 levels": (WHOLE % DEEP).encode(),
    "101 levels": (WHOLE % ('{"type":"not","criterion":' * 100 + '{"type":"and","criteria":[]}' + "}" * 100)).encode(),
    "version 2": (WHOLE % '{"type":"and","criteria":[]}').replace('"version":1', '"version":2').encode(),
    "unknown type": (WHOLE % '{"type":"weather"}').encode(),
    "name too long": (WHOLE % '{"type":"and","criteria":[]}').replace('"A"', '"' + "A" * 101 + '"').encode(),
    "nested arrays": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("command", ["check", "evaluate", "estimate"])
@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_a_file_that_is_no_audience_is_one_line(shop: Path, command: str, content: bytes) -> None:
    (shop / "A.json").write_bytes(content)
    done = workbench(shop, command, "A.json", "--dataset", "shop")
    assert (done.code, done.out) == (2, "")
    assert all(": " in line for line in done.told)
    assert len(done.told) == 1


@pytest.mark.parametrize("command", ["check", "evaluate", "estimate", "convert"])
@pytest.mark.parametrize("name", ["missing.json", ".", "shop", "A.json/B.json", "nul\0.json"])
def test_a_path_that_cannot_be_read_is_one_line(shop: Path, command: str, name: str) -> None:
    save(shop / "A.json", audience(GOLD))
    more = ("--to", "native") if command == "convert" else ("--dataset", "shop")
    done = workbench(shop, command, name, *more)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)


def test_a_number_of_250_digits_is_a_number(shop: Path) -> None:
    done = ask(shop, "evaluate", audience({**NUMBER, "value": int("9" * 250)}), "--json")
    assert (done.code, done.json["size"]) == (0, 0)


# --- datasets and options ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "evaluate", "estimate"])
@pytest.mark.parametrize("name", ["nowhere", "A.json", "empty"])
def test_no_dataset_there(shop: Path, command: str, name: str) -> None:
    save(shop / "A.json", audience(GOLD))
    (shop / "empty").mkdir()
    done = workbench(shop, command, "A.json", "--dataset", name)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert done.told[0].startswith("dataset: ")


def test_a_damaged_dataset_is_told(shop: Path) -> None:
    save(shop / "A.json", audience(GOLD))
    (shop / "shop" / "MANIFEST.json").write_text("{")
    done = workbench(shop, "evaluate", "A.json", "--dataset", "shop")
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert done.told[0].startswith("dataset: ")


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("--now", "yesterday"), "--now"),
        (("--now", "2026-06-30T12:00:00+25:00"), "--now"),
        (("--now",), "--now"),
        (("--nowhere",), "--nowhere"),
        (("B.json",), "B.json"),
        (("--engine", "abacus"), "--engine"),
    ],
)
def test_misuse_is_one_line(shop: Path, arguments: tuple[str, ...], option: str) -> None:
    done = ask(shop, "evaluate", audience(GOLD), *arguments)
    assert (done.code, done.out, len(done.told)) == (2, "", 1)
    assert option in done.err


@pytest.mark.parametrize("now", ["0001-01-01", "9999-12-31T23:59:59Z"])
def test_moments_at_the_ends_of_the_calendar(shop: Path, now: str) -> None:
    found = ask(shop, "evaluate", audience(GOLD, lookback_days=30), "--now", now, "--json")
    assert (found.code, found.json["size"]) == (0, 0 if now.startswith("0001") else 2)
