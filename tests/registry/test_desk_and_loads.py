"""Loads as jobs, unsaved work, remembered mappings, people and accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.data.loading import LoadReport, Refusal
from core.errors import InputError, LeaseLost, NotFound, RegistryError
from core.registry import Load, Person, Registry
from tests.registry.conftest import AT

MAPPING = {"rows": "events", "user": {"column": "user", "identity_type": "customer_id"}, "time": {"column": "ts"}}
MAPPING |= {"event": {"column": "event"}}


def ask(registry: Registry, admin: Person, workspace: str = "shop") -> Load:
    return registry.loads.request(
        format="mparticle", sources=["a.jsonl"], workspace=workspace, input="ios", by=admin, at=AT
    )


def test_one_load_at_a_time_and_its_report(registry: Registry, admin: Person) -> None:
    first, second = ask(registry, admin), ask(registry, admin, "travel")
    claimed = registry.loads.claim("w", AT, 7)
    assert claimed is not None and claimed.id == first.id
    assert registry.loads.claim("other", AT, 7) is None
    assert registry.loads.jobs.progress(first.id, "w", 30, 60)
    assert registry.loads.get(first.id, admin).progress == 0.5
    report = LoadReport(batches=3, events=5, profiles=2, refusals=[Refusal("a.jsonl", 4, "no JSON")])
    registry.loads.finish(first.id, "w", AT, report)
    done = registry.loads.get(first.id, admin)
    assert (done.state, done.report is not None and done.report["refusals"]) == (
        "done",
        [{"source": "a.jsonl", "line": 4, "reason": "no JSON"}],
    )
    assert registry.loads.claim("w", AT, 8).id == second.id  # type: ignore[union-attr]
    registry.loads.finish(second.id, "w", AT, "There is no such file.")
    assert [(each.state, each.error) for each in registry.loads.list(admin)] == [
        ("failed", "There is no such file."),
        ("done", None),
    ]


def test_a_load_is_cancelled(registry: Registry, admin: Person) -> None:
    waiting = ask(registry, admin)
    registry.loads.cancel(waiting.id, by=admin, at=AT)
    assert registry.loads.get(waiting.id, admin).state == "cancelled"
    running = ask(registry, admin)
    registry.loads.claim("w", AT, 1)
    registry.loads.cancel(running.id, by=admin, at=AT)
    assert registry.loads.get(running.id, admin).cancelling
    assert not registry.loads.jobs.progress(running.id, "w", 1, None)
    registry.loads.give_back(running.id, "w", AT)
    assert registry.loads.get(running.id, admin).state == "cancelled"
    with pytest.raises(LeaseLost):
        registry.loads.finish(running.id, "w", AT, "again")


def test_a_load_whose_worker_died(registry: Registry, admin: Person) -> None:
    late = AT + timedelta(minutes=1)
    load = ask(registry, admin)
    registry.loads.claim("w", AT, 7)
    (again,) = registry.loads.recover(late, 7)  # nothing was committed
    assert (again.id, again.state) == (load.id, "queued")
    registry.loads.claim("w", AT, 7)
    (told,) = registry.loads.recover(late, 8)  # something was
    assert told.state == "interrupted" and told.error is not None


def test_a_load_is_checked_before_it_waits(registry: Registry, admin: Person) -> None:
    def request(format: str, mapping: object = None, sources: tuple[str, ...] = ("a",)) -> Load:
        return registry.loads.request(
            format=format,  # type: ignore[arg-type]
            sources=sources,
            mapping=mapping,  # type: ignore[arg-type]
            workspace="w",
            input="i",
            by=admin,
            at=AT,
        )

    for wrong in (("csv", None), ("mparticle", MAPPING), ("xml", None), ("mparticle", None, ())):
        with pytest.raises(RegistryError):
            request(*wrong)  # type: ignore[arg-type]
    with pytest.raises((InputError, RegistryError)):
        request("csv", {"rows": "neither"})
    assert request("csv", MAPPING).mapping is not None
    assert registry.loads.list(admin)[0].format == "csv"


def test_drafts_survive_and_belong_to_a_person(registry: Registry, admin: Person) -> None:
    ann = registry.people.add("Ann", email=None, role="viewer", by=admin, at=AT)
    registry.drafts.keep("gold", {"a": [1, {"b": None}]}, by=admin, at=AT)
    registry.drafts.keep("gold", {"a": [2]}, by=admin, at=AT + timedelta(minutes=1))
    registry.drafts.keep("silver", {}, by=admin, at=AT)
    found = registry.drafts.get("gold", admin)
    assert found is not None and (found.document, found.kept_at) == ({"a": [2]}, AT + timedelta(minutes=1))
    assert registry.drafts.get("gold", ann) is None
    assert [each.key for each in registry.drafts.list(admin)] == ["gold", "silver"]
    registry.drafts.drop("gold", by=admin)
    registry.drafts.drop("gold", by=admin)
    assert registry.drafts.get("gold", admin) is None


def test_mappings_are_found_by_the_columns_of_a_table(registry: Registry, admin: Person) -> None:
    registry.mappings.keep("orders", ["user", "ts", "event"], MAPPING, by=admin, at=AT)
    found = registry.mappings.for_columns(["event", "user", "ts"], admin)
    assert found is not None and (found.name, found.columns) == ("orders", ("user", "ts", "event"))
    assert registry.mappings.for_columns(["event", "user"], admin) is None
    registry.mappings.forget("orders", by=admin)
    assert registry.mappings.list(admin) == ()
    with pytest.raises(NotFound):
        registry.mappings.forget("orders", by=admin)


def test_people(registry: Registry, admin: Person) -> None:
    ann = registry.people.add(" Ann ", email="Ann@Example.com", role="audiences", by=admin, at=AT)
    assert (ann.name, ann.email, ann.account) == ("Ann", "ann@example.com", admin.account)
    assert ann.may("viewer") and ann.may("audiences") and not ann.may("admin")
    with pytest.raises(RegistryError, match="Ann"):
        registry.people.add("Other", email="ann@example.com", role="viewer", by=admin, at=AT)
    assert [each.name for each in registry.people.list(admin)] == ["Ann", "Local user"]
    assert registry.people.change(ann.id, by=admin, at=AT, role="admin").role == "admin"
    with pytest.raises(RegistryError):
        registry.people.add_account("Local", by=admin, at=AT)
    assert [each.name for each in registry.people.accounts()] == ["Local"]
