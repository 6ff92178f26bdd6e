"""`workbench audiences`, `profile` and `why`: without a worker, JSON for programs, errors in words with code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.registry import Registry
from tests.workbench.homes import NOW, answer, batch, load, run, tier


@pytest.fixture
def home(tmp_path: Path) -> Path:
    load(tmp_path, [batch(1, "gold"), batch(2, "gold"), batch(3, "silver"), batch(-4, "gold", hours_ago=30)])
    return tmp_path


def created(home: Path, document: dict[str, Any]) -> str:
    file = home / "audience.json"
    file.write_text(json.dumps(document))
    made = answer(home, "audiences", "create", str(file))
    assert made == {"id": made["id"], "status": "draft"}
    return str(made["id"])


def test_from_a_file_to_members(home: Path) -> None:
    gold = created(home, tier("gold"))
    assert gold == "gold"
    assert answer(home, "audiences", "activate", gold) == {"id": "gold", "status": "calculating"}
    # As of 24 hours before the end only -4 was there.
    first = answer(home, "audiences", "calculate", gold, "--now", "2026-06-29T12:00:00Z")
    assert first == {"size": 1, "adds": 0, "drops": 0, "now": "2026-06-29T12:00:00Z"}
    second = answer(home, "audiences", "calculate", gold, "--now", NOW.isoformat())
    assert second == {"size": 3, "adds": 2, "drops": 0, "now": "2026-06-30T12:00:00Z"}
    (row,) = answer(home, "audiences", "list")
    wanted = {"id": "gold", "name": "Gold", "status": "active", "size": 3, "adds_24h": 2, "drops_24h": 0}
    wanted |= {"tags": [], "access": "private", "connected_outputs": []}
    assert {key: row[key] for key in wanted} == wanted
    assert row["volatility_24h"] == pytest.approx(2 / 3)
    shown = answer(home, "audiences", "show", gold)
    assert shown["calculations"] == [first, second]
    assert shown["audience"]["definition"]["root"]["value"] == "gold"


def test_tag_clone_pause_delete(home: Path) -> None:
    gold = created(home, tier("gold"))
    assert answer(home, "audiences", "tag", gold, "Paris", "High value") == {
        "id": gold,
        "tags": ["High value", "Paris"],
    }
    clone = answer(home, "audiences", "clone", gold)
    assert clone == {"id": "copy-of-gold", "status": "draft"}
    rows = answer(home, "audiences", "list", "--tag", "paris", "--tag", "High value")
    assert {row["id"] for row in rows} == {gold, "copy-of-gold"}
    too_long = run(home, "audiences", "tag", gold, "x" * 19)
    assert too_long.returncode == 2 and "18" in too_long.stderr
    answer(home, "audiences", "activate", gold)
    assert answer(home, "audiences", "pause", gold) == {"id": gold, "status": "paused"}
    outer = tier("gold", "Outer")
    outer["definition"]["root"] = {"type": "audience_membership", "audience": gold, "operator": "in"}
    created(home, outer)
    refused = run(home, "audiences", "delete", gold)
    assert refused.returncode == 2 and "'Outer'" in refused.stderr
    answer(home, "audiences", "delete", "outer")
    answer(home, "audiences", "delete", gold)
    assert [row["id"] for row in answer(home, "audiences", "list")] == ["copy-of-gold"]
    assert run(home, "audiences", "show", gold).returncode == 2


def test_the_registry_answers_for_memberships(home: Path) -> None:
    gold = created(home, tier("gold"))
    root = {"type": "audience_membership", "audience": gold, "operator": "not_in"}
    file = home / "others.json"
    file.write_text(json.dumps({**tier("x", "Others"), "definition": {"version": 1, "root": root}}))
    assert answer(home, "evaluate", str(file), "--now", NOW.isoformat())["size"] == 1


def test_a_definition_that_cannot_be_evaluated_is_refused(home: Path) -> None:
    broken = tier("gold", "Broken")
    broken["definition"]["root"] = {"type": "calculated_attribute", "name": "nowhere", "operator": "exists"}
    created(home, broken)
    refused = run(home, "audiences", "activate", "broken")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("root: ")
    failed = run(home, "audiences", "calculate", "broken")
    assert failed.returncode == 2 and "nowhere" in failed.stderr


def test_sharing(home: Path) -> None:
    gold = created(home, tier("gold"))
    registry = Registry.open(f"sqlite:///{home / 'registry.sqlite'}", memberships=home / "memberships", at=NOW)
    partner = registry.people.add_account("The Partner", by=registry.people.local(), at=NOW)
    shared = answer(home, "audiences", "share", gold, "the partner", "usable")
    assert shared == {"id": gold, "account": partner.id, "access": "usable"}
    assert answer(home, "audiences", "list")[0]["access"] == "usable"
    assert answer(home, "audiences", "share", gold, partner.id, "private")["access"] == "private"
    assert registry.audiences.shares(gold, registry.people.local()) == {}
    for wrong in (("share", gold, "nobody", "usable"), ("share", "nothing", partner.id, "usable"), ("share", gold)):
        done = run(home, "audiences", *wrong)
        assert (done.returncode, done.stdout) == (2, "")
    registry.close()


def test_profile_and_why(home: Path) -> None:
    gold = created(home, tier("gold"))
    answer(home, "audiences", "calculate", gold, "--now", NOW.isoformat())
    by_mpid = answer(home, "profile", "-4", "--now", NOW.isoformat())
    assert by_mpid == answer(home, "profile", "c-4", "--now", NOW.isoformat())
    assert by_mpid["mpid"] == -4
    assert by_mpid["audiences"] == [{"id": "gold", "name": "Gold"}]
    assert by_mpid["events"]["total"] == 1
    why = answer(home, "why", "1", gold, "--now", NOW.isoformat())
    assert (why["audience"], why["mpid"], why["member"]) == ("gold", 1, True)
    assert not answer(home, "why", "c3", gold, "--now", NOW.isoformat())["member"]
    for wrong in (("profile", "nobody"), ("why", "99", gold), ("why", "1", "nothing")):
        assert run(home, *wrong).returncode == 2
    assert "✗" in run(home, "why", "3", gold, "--now", NOW.isoformat()).stdout


def test_audience_files_of_an_earlier_version_are_taken_over_once(home: Path) -> None:
    files = home / "audiences"
    files.mkdir()
    (files / "my gold.json").write_text(json.dumps(tier("gold")))
    (files / "damaged.json").write_text("{")
    nested = {"type": "audience_membership", "audience": "my gold", "operator": "in"}
    (files / "a-nested.json").write_text(json.dumps({**tier("x"), "definition": {"version": 1, "root": nested}}))
    done = run(home, "audiences", "list", "--json")
    assert {row["id"] for row in json.loads(done.stdout)} == {"my gold", "a-nested"}
    assert "damaged.json is left out" in done.stderr
    assert not files.exists()
    (kept,) = home.glob("audiences-imported-*")
    assert {path.name for path in kept.iterdir()} == {"my gold.json", "damaged.json", "a-nested.json"}
    assert len(answer(home, "audiences", "list")) == 2
