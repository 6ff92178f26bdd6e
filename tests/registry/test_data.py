"""Settings of the data: who may change them, what stands in the way, and the log."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core import Audience, Dataset
from core.errors import InUse, NotAllowed
from core.registry import Person, Registry
from tests.core.loads import batch, named

AT = datetime(2026, 6, 30, 12, tzinfo=UTC)
PLAY = {"type": "event", "kind": "custom", "name": "Play"}
PLAYS: dict[str, Any] = {"name": "plays", "calculation": "count", "event": PLAY}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset.create(tmp_path / "dataset")
    made.load_batches([batch(1, named("Play"), named("Stop"))], workspace="shop", input="ios")
    return made


@pytest.fixture
def viewer(registry: Registry, admin: Person) -> Person:
    return registry.people.add("Vera", email=None, role="viewer", by=admin, at=AT)


def players(name: str, *criteria: dict[str, Any]) -> Audience:
    root = {"type": "and", "criteria": list(criteria)}
    return Audience.from_dict({"name": name, "workspaces": ["shop"], "definition": {"version": 1, "root": root}})


def set_tier(registry: Registry, dataset: Dataset, by: Person, name: str, tier: Any = "connect") -> None:
    registry.data.set_tier(dataset, workspace="shop", kind="custom", name=name, tier=tier, by=by, at=AT)


def test_an_event_that_an_audience_uses_stays_in_personalize(
    registry: Registry, admin: Person, dataset: Dataset
) -> None:
    registry.audiences.create(players("Players", PLAY), by=admin, at=AT)
    with pytest.raises(InUse, match="'Play' is used by 'Players'"):
        set_tier(registry, dataset, admin, "Play")
    set_tier(registry, dataset, admin, "Stop")
    assert dataset.workspaces["shop"].tiers == {("custom", "Stop"): "connect"}
    set_tier(registry, dataset, admin, "Stop", "personalize")
    assert dataset.workspaces["shop"].tiers == {}


def test_what_an_older_version_in_force_uses_counts_too(registry: Registry, admin: Person, dataset: Dataset) -> None:
    made = registry.audiences.create(players("Players", PLAY), by=admin, at=AT)
    registry.audiences.activate(made.id, by=admin, at=AT, seen=made.version, dataset=dataset)
    registry.audiences.save(made.id, players("Players"), by=admin, at=AT, seen=made.version)
    with pytest.raises(InUse, match="Players"):
        set_tier(registry, dataset, admin, "Play")


def test_calculated_attributes_are_users_and_are_used(registry: Registry, admin: Person, dataset: Dataset) -> None:
    registry.data.define(dataset, PLAYS, workspace="shop", by=admin, at=AT)
    with pytest.raises(InUse, match="plays"):
        set_tier(registry, dataset, admin, "Play")
    compared = {"type": "calculated_attribute", "name": "plays", "operator": "at_least", "value": 1}
    registry.audiences.create(players("Fans", compared), by=admin, at=AT)
    with pytest.raises(InUse, match="'plays' is used by 'Fans'"):
        registry.data.remove(dataset, "plays", workspace="shop", by=admin, at=AT)
    with pytest.raises(InUse, match="Fans"):
        registry.data.define(dataset, {**PLAYS, "calculation": "last_timestamp"}, workspace="shop", by=admin, at=AT)
    registry.data.define(dataset, {**PLAYS, "event": {**PLAY, "name": "Stop"}}, workspace="shop", by=admin, at=AT)
    set_tier(registry, dataset, admin, "Play")
    assert set(registry.data.users(dataset, admin)) == {"Fans", "plays (calculated attribute)"}


def test_only_an_admin_changes_settings(registry: Registry, admin: Person, dataset: Dataset, viewer: Person) -> None:
    with pytest.raises(NotAllowed):
        set_tier(registry, dataset, viewer, "Stop")
    with pytest.raises(NotAllowed):
        registry.data.define(dataset, PLAYS, workspace="shop", by=viewer, at=AT)
    with pytest.raises(NotAllowed):
        registry.data.add_input(dataset, workspace="shop", input="web", kind="platform", by=viewer, at=AT)
    with pytest.raises(NotAllowed):
        registry.data.set_retention(dataset, 30, by=viewer, at=AT)
    assert dataset.refresh().version == 2, "nothing was changed after the load"


def test_every_change_is_in_the_log(registry: Registry, admin: Person, dataset: Dataset) -> None:
    registry.data.add_input(dataset, workspace="shop", input="crm", kind="feed", by=admin, at=AT)
    registry.data.set_retention(dataset, 30, by=admin, at=AT)
    registry.data.define(dataset, PLAYS, workspace="shop", by=admin, at=AT)
    registry.data.remove(dataset, "plays", workspace="shop", by=admin, at=AT)
    set_tier(registry, dataset, admin, "Stop", "preserve")
    told = [(each.action, each.subject_kind, each.subject) for each in reversed(registry.audit.list(admin))]
    assert told[-5:] == [
        ("created", "input", "shop/crm"),
        ("changed", "setting", "profile retention"),
        ("created", "calculated attribute", "plays"),
        ("deleted", "calculated attribute", "plays"),
        ("changed", "event", "Stop"),
    ]
    assert (dataset.profile_retention_days, dataset.workspaces["shop"].inputs["crm"]) == (30, "feed")
