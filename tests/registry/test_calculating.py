"""Calculating against a real dataset: as of, shared criteria, failures of one, giving back, the schedule."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from core import Audience, Dataset
from core.errors import RegistryError
from core.registry import Person, Registry, Size
from core.registry.calculating import calculate, estimate
from tests.registry.audiences import attribute, audience, member_of
from tests.registry.conftest import AT
from tests.workbench.homes import NOW, batch, load


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """At AT, an hour after the last batch: 1 and 2 are gold, 3 is silver."""
    assert NOW == AT
    return load(tmp_path, [batch(1, "gold"), batch(2, "gold"), batch(3, "silver")])


def activated(registry: Registry, admin: Person, definition: Audience) -> str:
    made = registry.audiences.create(definition, by=admin, at=AT)
    return registry.audiences.activate(made.id, by=admin, at=AT, seen=1).id


def work(registry: Registry, dataset: Dataset, at=AT) -> int:  # type: ignore[no-untyped-def]
    claimed = registry.calculations.claim("w", at)
    return len(calculate(registry.calculations, dataset, claimed, worker="w", clock=lambda: at))


def test_members_are_those_of_evaluate(registry: Registry, admin: Person, dataset: Dataset) -> None:
    gold = activated(registry, admin, audience("Gold", attribute("tier", "gold")))
    others = activated(registry, admin, audience("Others", {"type": "not", "criterion": member_of(gold)}))
    assert work(registry, dataset) == 2
    assert registry.calculations.members(gold, admin).tolist() == [1, 2]
    assert registry.calculations.members(others, admin).tolist() == [3]
    (done,) = registry.calculations.history(gold, admin)
    assert (done.size, done.universe, done.now, done.dataset_version) == (2, 3, AT, dataset.version)


def test_old_data_is_calculated_as_of_its_end(registry: Registry, admin: Person, dataset: Dataset) -> None:
    gold = activated(registry, admin, audience())
    work(registry, dataset, AT + timedelta(days=10))
    (done,) = registry.calculations.history(gold, admin)
    assert (done.now, done.finished_at) == (dataset.end, AT + timedelta(days=10))


def test_one_failure_stays_alone(registry: Registry, admin: Person, dataset: Dataset) -> None:
    broken = {"type": "calculated_attribute", "name": "nowhere", "operator": "exists"}
    bad = activated(registry, admin, audience("Broken", broken))
    good = activated(registry, admin, audience("Gold"))
    assert work(registry, dataset) == 1
    statuses = {each.id: (each.status, each.error) for each in registry.audiences.list(admin, AT)}
    assert statuses[good] == ("active", None)
    assert statuses[bad][0] == "error" and "nowhere" in (statuses[bad][1] or "")


def test_a_worker_that_ends_gives_back(registry: Registry, admin: Person, dataset: Dataset) -> None:
    gold, silver = activated(registry, admin, audience("Gold")), activated(registry, admin, audience("Silver"))

    def states() -> set[str]:
        return {registry.calculations.list(each, admin)[0].state for each in (gold, silver)}

    def work(going: Callable[[], bool]) -> int:
        claimed = registry.calculations.claim("w", AT)
        return len(calculate(registry.calculations, dataset, claimed, worker="w", clock=lambda: AT, going=going))

    begun = itertools.chain([True], itertools.repeat(False))
    assert work(lambda: next(begun)) == 0, "stopped in the middle of one"
    assert states() == {"queued"}
    assert work(lambda: "done" not in states()) == 1
    assert states() == {"done", "queued"}


def test_estimates_stand_until_the_calculation(registry: Registry, admin: Person, dataset: Dataset) -> None:
    gold = registry.audiences.create(audience("Gold"), by=admin, at=AT).id
    broken = {"type": "calculated_attribute", "name": "nowhere", "operator": "exists"}
    bad = registry.audiences.create(audience("Broken", broken), by=admin, at=AT).id
    assert estimate(registry.calculations, dataset, clock=lambda: AT) == 2
    assert estimate(registry.calculations, dataset, clock=lambda: AT) == 0
    sizes = {each.id: each.size for each in registry.audiences.list(admin, AT)}
    # Fewer profiles than the sample: the estimate is exact, and still one.
    assert sizes[gold] == Size(2, True, 2, 2)
    assert (sizes[bad].count, sizes[bad].symbol) == (None, "error")
    assert "nowhere" in (sizes[bad].reason or "")
    registry.audiences.save(gold, audience("Gold", attribute("tier", "silver")), by=admin, at=AT, seen=1)
    assert estimate(registry.calculations, dataset, clock=lambda: AT) == 1
    registry.audiences.activate(gold, by=admin, at=AT, seen=2)
    work(registry, dataset)
    assert next(each.size for each in registry.audiences.list(admin, AT) if each.id == gold) == Size(1)


def test_the_schedule(registry: Registry, admin: Person) -> None:
    settings, minute = registry.settings, timedelta(minutes=1)
    assert settings.schedule() == "0 * * * *"
    assert settings.next_run(AT + minute) == AT + timedelta(hours=1)
    assert not settings.due(AT + minute)  # the first look only begins to count
    assert not settings.due(AT + 59 * minute)
    assert settings.due(AT + 60 * minute)
    assert not settings.due(AT + 61 * minute)
    assert settings.due(AT + timedelta(hours=9)), "hours that nobody worked come due once"
    assert not settings.due(AT + timedelta(hours=9, minutes=1))
    settings.set_schedule("30 6 * * *", by=admin, at=AT)
    assert settings.next_run(AT) == AT.replace(hour=6, minute=30) + timedelta(days=1)
    settings.set_schedule(None, by=admin, at=AT)
    assert not settings.due(AT + timedelta(days=30))
    for wrong in ("often", "* * * *", "* * * * * *", "0 0 31 2 *"):
        with pytest.raises(RegistryError):
            settings.set_schedule(wrong, by=admin, at=AT)
    assert settings.schedule() is None


def test_a_worker_is_there_while_it_is_seen(registry: Registry) -> None:
    assert not registry.settings.worker_is_there(AT)
    registry.settings.seen(AT)
    assert registry.settings.worker_is_there(AT + timedelta(seconds=15))
    assert not registry.settings.worker_is_there(AT + timedelta(seconds=16))
