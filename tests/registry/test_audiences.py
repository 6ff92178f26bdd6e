"""Saved audiences: edits that conflict, versions, nesting, tags, sharing, roles, the audit log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core import Dataset
from core.errors import DefinitionError, EditConflict, NestingError, NotAllowed, NotFound, RegistryError
from core.registry import Change, Person, Registry
from tests.registry.audiences import attribute, audience, member_of
from tests.registry.conftest import AT

LATER = AT + timedelta(hours=1)


def test_created_as_a_draft_under_an_id_made_of_its_name(registry: Registry, admin: Person) -> None:
    made = registry.audiences.create(audience("Potential Parisians!"), by=admin, at=AT, tags=["Paris"])
    assert (made.id, made.status, made.version, made.active_version) == ("potential-parisians", "draft", 1, None)
    assert registry.audiences.get(made.id, admin) == made
    assert made.definition == audience("Potential Parisians!")
    assert made.tags == ("Paris",)
    assert (made.created_by, made.created_at, made.access, made.own) == ("Local user", AT, "private", True)
    again = registry.audiences.create(audience("Potential Parisians"), by=admin, at=AT)
    assert again.id == "potential-parisians-2"


def test_an_id_of_a_deleted_audience_is_not_given_again(registry: Registry, admin: Person) -> None:
    first = registry.audiences.create(audience("Gold"), by=admin, at=AT)
    registry.audiences.delete(first.id, by=admin, at=AT)
    assert registry.audiences.create(audience("Gold"), by=admin, at=AT).id == "gold-2"


def test_the_second_of_two_conflicting_edits_is_told(registry: Registry, admin: Person) -> None:
    ann = registry.people.add("Ann", email="ann@example.com", role="audiences", by=admin, at=AT)
    made = registry.audiences.create(audience("Gold"), by=admin, at=AT)
    registry.audiences.save(made.id, audience("Gold", attribute("a")), by=ann, at=LATER, seen=1)
    with pytest.raises(EditConflict) as told:
        registry.audiences.save(made.id, audience("Gold", attribute("b")), by=admin, at=LATER, seen=1)
    assert (told.value.by, told.value.at, told.value.version) == ("Ann", LATER, 2)
    with pytest.raises(EditConflict):
        registry.audiences.activate(made.id, by=admin, at=LATER, seen=1)
    assert registry.audiences.get(made.id, admin).definition == audience("Gold", attribute("a"))


def test_saving_the_same_again_is_no_new_version(registry: Registry, admin: Person) -> None:
    made = registry.audiences.create(audience("Gold"), by=admin, at=AT)
    assert registry.audiences.save(made.id, audience("Gold"), by=admin, at=LATER, seen=1).version == 1


def test_a_draft_of_an_active_audience_leaves_what_is_in_force(registry: Registry, admin: Person) -> None:
    made = registry.audiences.create(audience("Gold", attribute("a")), by=admin, at=AT)
    active = registry.audiences.activate(made.id, by=admin, at=AT, seen=1)
    assert (active.status, active.active_version) == ("calculating", 1)
    saved = registry.audiences.save(made.id, audience("Gold", attribute("b")), by=admin, at=LATER, seen=1)
    assert (saved.version, saved.active_version) == (2, 1)
    assert saved.definition_in_force == audience("Gold", attribute("a"))
    both = registry.audiences.activate(made.id, by=admin, at=LATER, seen=2, audience=audience("Gold", attribute("c")))
    assert (both.version, both.active_version) == (3, 3)
    assert both.definition_in_force == audience("Gold", attribute("c"))


def test_versions_diff_and_restore(registry: Registry, admin: Person) -> None:
    first = audience("Gold", attribute("tier", "gold"), attribute("city", "Paris"))
    second = audience("Golden", attribute("tier", "gold"), attribute("city", "Lyon"), attribute("vip"), inputs=["ios"])
    made = registry.audiences.create(first, by=admin, at=AT)
    registry.audiences.save(made.id, second, by=admin, at=LATER, seen=1)
    changes = registry.versions.diff(made.id, 1, 2, admin).changes
    old, new = dict(first.nodes()), dict(second.nodes())
    assert changes == (
        Change("name", "Gold", "Golden"),
        Change("inputs", "all", "ios"),
        Change("criterion", old["root.criteria[1]"].sentence, new["root.criteria[1]"].sentence),
        Change("criterion", None, new["root.criteria[2]"].sentence),
        Change("logic", "A and B", "A and B and C"),
    )
    restored = registry.versions.restore(made.id, 1, by=admin, at=LATER, seen=2)
    assert (restored.version, restored.definition) == (3, first)
    listed = registry.versions.list(made.id, admin)
    assert [(each.number, each.note) for each in listed] == [(3, "Version 1 restored"), (2, ""), (1, "")]
    with pytest.raises(EditConflict):
        registry.versions.restore(made.id, 1, by=admin, at=LATER, seen=2)
    with pytest.raises(NotFound):
        registry.versions.get(made.id, 9, admin)


def test_pause_and_resume(registry: Registry, admin: Person) -> None:
    made = registry.audiences.create(audience(), by=admin, at=AT)
    with pytest.raises(RegistryError, match="draft"):
        registry.audiences.pause(made.id, by=admin, at=AT)
    registry.audiences.activate(made.id, by=admin, at=AT, seen=1)
    assert registry.audiences.pause(made.id, by=admin, at=AT).status == "paused"
    assert [each.state for each in registry.calculations.list(made.id, admin)] == ["cancelled"]
    assert registry.audiences.activate(made.id, by=admin, at=AT, seen=1).status == "calculating"


def test_a_clone_has_the_tags_and_the_newest_definition(registry: Registry, admin: Person) -> None:
    made = registry.audiences.create(audience("Gold", attribute("a")), by=admin, at=AT, tags=["Retargeting", "Paris"])
    registry.audiences.save(made.id, audience("Gold", attribute("b")), by=admin, at=AT, seen=1)
    clone = registry.audiences.clone(made.id, by=admin, at=LATER)
    assert (clone.id, clone.name, clone.status) == ("copy-of-gold", "Copy of Gold", "draft")
    assert clone.tags == ("Paris", "Retargeting")
    assert clone.definition == audience("Copy of Gold", attribute("b"))


def test_tags(registry: Registry, admin: Person) -> None:
    names = ("one", "two", "three")
    one, two, three = (registry.audiences.create(audience(name), by=admin, at=AT).id for name in names)
    registry.audiences.tag([one, two, three], by=admin, at=AT, add=["Retargeting", "retargeting", " Spring  sale "])
    registry.audiences.tag([two], by=admin, at=AT, add=["x" * 18], remove=["SPRING SALE"])
    assert registry.audiences.get(one, admin).tags == ("Retargeting", "Spring sale")
    assert registry.audiences.tags(admin) == {"Retargeting": 3, "Spring sale": 2, "x" * 18: 1}

    def found(*tags: str) -> set[str]:
        return {each.id for each in registry.audiences.list(admin, AT, tags=tags)}

    assert found("retargeting") == {one, two, three}
    assert found("Retargeting", "Spring sale") == {one, three}
    assert found("Spring sale", "x" * 18) == set()
    for wrong in ("x" * 19, "  "):
        with pytest.raises(RegistryError):
            registry.audiences.tag([one], by=admin, at=AT, add=[wrong])
    with pytest.raises(NotFound):
        registry.audiences.tag([one, "unknown"], by=admin, at=AT, add=["nothing"])
    assert "nothing" not in registry.audiences.tags(admin)


def test_nesting_is_guarded(registry: Registry, admin: Person) -> None:
    inner = registry.audiences.create(audience("Inner"), by=admin, at=AT)
    outer = registry.audiences.create(audience("Outer", member_of(inner.id)), by=admin, at=AT)
    with pytest.raises(NestingError, match="'Outer'") as told:
        registry.audiences.delete(inner.id, by=admin, at=AT)
    assert told.value.audiences == {outer.id: "Outer"}
    with pytest.raises(NestingError, match="'Outer'"):
        registry.audiences.save(inner.id, audience("Inner", member_of(outer.id)), by=admin, at=AT, seen=1)
    with pytest.raises(NestingError, match="'Outer' cannot be named"):
        registry.audiences.create(audience("Third", member_of(outer.id)), by=admin, at=AT)
    with pytest.raises(NotFound):
        registry.audiences.create(audience("Third", member_of("nobody")), by=admin, at=AT)
    with pytest.raises(NestingError, match="itself"):
        registry.audiences.save(inner.id, audience("Inner", member_of(inner.id)), by=admin, at=AT, seen=1)
    assert registry.audiences.named_by(outer.definition, admin) == {inner.id: audience("Inner")}
    # What is in force counts as well as the newest draft.
    registry.audiences.activate(outer.id, by=admin, at=AT, seen=1)
    registry.audiences.save(outer.id, audience("Outer"), by=admin, at=AT, seen=1)
    with pytest.raises(NestingError):
        registry.audiences.delete(inner.id, by=admin, at=AT)
    registry.audiences.activate(outer.id, by=admin, at=AT, seen=2)
    registry.audiences.delete(inner.id, by=admin, at=AT)
    with pytest.raises(NotFound):
        registry.audiences.get(inner.id, admin)


def test_roles(registry: Registry, admin: Person) -> None:
    viewer = registry.people.add("Vera", email=None, role="viewer", by=admin, at=AT)
    ann = registry.people.add("Ann", email=None, role="audiences", by=admin, at=AT)
    made = registry.audiences.create(audience(), by=ann, at=AT)
    assert registry.audiences.get(made.id, viewer).name == "Gold"
    for refused in (
        lambda: registry.audiences.create(audience(), by=viewer, at=AT),
        lambda: registry.audiences.save(made.id, audience("New"), by=viewer, at=AT, seen=1),
        lambda: registry.audiences.activate(made.id, by=viewer, at=AT, seen=1),
        lambda: registry.audiences.tag([made.id], by=viewer, at=AT, add=["x"]),
        lambda: registry.audiences.delete(made.id, by=viewer, at=AT),
        lambda: registry.audiences.clone(made.id, by=viewer, at=AT),
        lambda: registry.calculations.request(made.id, by=viewer, at=AT),
        lambda: registry.people.add("Bob", email=None, role="viewer", by=ann, at=AT),
        lambda: registry.audit.list(ann),
        lambda: registry.loads.request(format="mparticle", sources=["x"], workspace="w", input="i", by=ann, at=AT),
    ):
        with pytest.raises(NotAllowed):
            refused()
    # The role counts that the registry has now, not the one that the value remembers.
    registry.people.change(ann.id, by=admin, at=AT, role="viewer")
    with pytest.raises(NotAllowed, match="Viewer"):
        registry.audiences.create(audience(), by=ann, at=AT)
    with pytest.raises(RegistryError, match="Admin"):
        registry.people.change(admin.id, by=admin, at=AT, active=False)
    assert registry.people.get(admin.id).active


def test_sharing(registry: Registry, admin: Person) -> None:
    partner = registry.people.add_account("Partner", by=admin, at=AT)
    pia = registry.people.add("Pia", email=None, role="admin", by=admin, at=AT, account=partner)
    made = registry.audiences.create(audience("Gold"), by=admin, at=AT, tags=["Paris"])
    with pytest.raises(NotFound):
        registry.audiences.get(made.id, pia)
    assert registry.audiences.list(pia, AT) == ()

    registry.audiences.share(made.id, partner.id, "view_only", by=admin, at=AT)
    (listed,) = registry.audiences.list(pia, AT)
    assert (listed.own, listed.access, listed.account.name) == (False, "view_only", "Local")
    assert registry.audiences.list(admin, AT)[0].access == "view_only"
    with pytest.raises(NotAllowed):
        registry.audiences.save(made.id, audience("Mine"), by=pia, at=AT, seen=1)
    with pytest.raises(NestingError, match="view only"):
        registry.audiences.create(audience("Theirs", member_of(made.id)), by=pia, at=AT)
    clone = registry.audiences.clone(made.id, by=pia, at=AT)
    assert (clone.account, clone.tags, clone.own) == (partner, ("Paris",), True)

    registry.audiences.share(made.id, partner.id, "usable", by=admin, at=AT)
    theirs = registry.audiences.create(audience("Theirs", member_of(made.id)), by=pia, at=AT)
    assert registry.audiences.shares(made.id, admin) == {partner: "usable"}
    with pytest.raises(NestingError, match="Partner"):
        registry.audiences.share(made.id, partner.id, "private", by=admin, at=AT)
    registry.audiences.delete(theirs.id, by=pia, at=AT)
    registry.audiences.share(made.id, partner.id, "private", by=admin, at=AT)
    with pytest.raises(NotFound):
        registry.audiences.get(made.id, pia)


def test_every_change_is_in_the_audit_log(registry: Registry, admin: Person) -> None:
    made = registry.audiences.create(audience("Gold"), by=admin, at=AT, tags=["a"])
    registry.audiences.save(made.id, audience("Golden"), by=admin, at=LATER, seen=1)
    registry.audiences.activate(made.id, by=admin, at=LATER, seen=2)
    registry.audiences.tag([made.id], by=admin, at=LATER, remove=["a"])
    registry.audiences.pause(made.id, by=admin, at=LATER)
    actions = [(each.action, each.subject, each.at) for each in registry.audit.of_audience(made.id, admin)]
    assert actions == [
        ("paused", "Golden", LATER),
        ("tagged", "Golden", LATER),
        ("activated", "Golden", LATER),
        ("saved", "Golden", LATER),
        ("created", "Gold", AT),
    ]
    registry.audiences.delete(made.id, by=admin, at=LATER)
    newest = registry.audit.list(admin)[0]
    assert (newest.action, newest.person, newest.subject_id) == ("deleted", "Local user", made.id)
    assert [each.id for each in registry.audit.list(admin, before=newest.id, limit=1)] == [newest.id - 1]


def test_the_list_searches_and_filters(registry: Registry, admin: Person) -> None:
    one = registry.audiences.create(audience("Weekly readers"), by=admin, at=AT, tags=["Paris"])
    two = registry.audiences.create(audience("Spenders", workspaces=["shop", "travel"]), by=admin, at=LATER)
    registry.audiences.activate(one.id, by=admin, at=AT, seen=1)
    assert [each.id for each in registry.audiences.list(admin, AT)] == [two.id, one.id]
    assert [each.id for each in registry.audiences.list(admin, AT, search="READ")] == [one.id]
    assert [each.id for each in registry.audiences.list(admin, AT, search="paris")] == [one.id]
    assert [each.id for each in registry.audiences.list(admin, AT, statuses=["draft"])] == [two.id]
    summary = registry.audiences.list(admin, AT, statuses=["calculating"])[0]
    assert (summary.id, summary.size.estimated, summary.size.count, summary.volatility_24h) == (
        one.id,
        True,
        None,
        None,
    )


def test_activation_refuses_what_cannot_be_evaluated(registry: Registry, admin: Person, tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "dataset")
    made = registry.audiences.create(audience(), by=admin, at=AT)
    with pytest.raises(DefinitionError, match="no workspace"):
        registry.audiences.activate(made.id, by=admin, at=AT, seen=1, dataset=dataset)
    assert registry.audiences.get(made.id, admin).status == "draft"
