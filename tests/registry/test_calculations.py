"""Calculations as jobs: one at a time, adds and drops, leases and crashes, 24-hour figures, history."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from core.errors import LeaseLost, NotFound, RegistryError
from core.registry import Calculation, Person, Registry, Size
from core.registry.calculations import Assignment
from core.registry.memberships import MembershipFiles, compared
from tests.registry.audiences import audience
from tests.registry.conftest import AT

HOUR = timedelta(hours=1)


def active(registry: Registry, admin: Person, name: str = "Gold") -> str:
    made = registry.audiences.create(audience(name), by=admin, at=AT)
    return registry.audiences.activate(made.id, by=admin, at=AT, seen=1).id


def finish(registry: Registry, assignment: Assignment, at: datetime, members: list[int]) -> Calculation:
    mpids = np.array(sorted(members), np.int64)
    return registry.calculations.finish(assignment, "w", at, now=at, dataset_version=1, members=mpids, universe=100)


def calculate(registry: Registry, admin: Person, audience_id: str, at: datetime, members: list[int]) -> Calculation:
    registry.calculations.request(audience_id, by=admin, at=at)
    (assignment,) = registry.calculations.claim("w", at)
    return finish(registry, assignment, at, members)


def test_adds_and_drops_against_the_calculation_before(registry: Registry, admin: Person) -> None:
    gold = active(registry, admin)
    first = calculate(registry, admin, gold, AT, [-5, 1, 2])
    assert (first.state, first.size, first.adds, first.drops, first.universe) == ("done", 3, 0, 0, 100)
    second = calculate(registry, admin, gold, AT + HOUR, [1, 2, 3, 4])
    assert (second.size, second.adds, second.drops) == (4, 2, 1)
    assert registry.calculations.members(gold, admin).tolist() == [1, 2, 3, 4]
    third = calculate(registry, admin, gold, AT + 2 * HOUR, [])
    assert (third.size, third.adds, third.drops) == (0, 0, 4)
    assert [each.size for each in registry.calculations.history(gold, admin)] == [3, 4, 0]


def test_24_hour_figures(registry: Registry, admin: Person) -> None:
    gold = active(registry, admin)
    calculate(registry, admin, gold, AT, list(range(10)))
    calculate(registry, admin, gold, AT + HOUR, list(range(2, 10)))  # 2 drops
    calculate(registry, admin, gold, AT + 2 * HOUR, list(range(2, 15)))  # 5 adds
    (row,) = registry.audiences.list(admin, AT + 3 * HOUR)
    assert (row.status, row.size, row.adds_24h, row.drops_24h) == ("active", Size(13), 5, 2)
    assert row.volatility_24h == pytest.approx(7 / 13)
    assert row.sparkline == (13,)
    # Completed exactly 24 hours ago is out, a second less is in.
    (row,) = registry.audiences.list(admin, AT + 25 * HOUR)
    assert (row.adds_24h, row.drops_24h) == (5, 0)
    (row,) = registry.audiences.list(admin, AT + 26 * HOUR)
    assert (row.adds_24h, row.drops_24h, row.volatility_24h) == (0, 0, 0.0)
    calculate(registry, admin, gold, AT + 30 * HOUR, [])
    (row,) = registry.audiences.list(admin, AT + 30 * HOUR)
    assert (row.size, row.drops_24h, row.volatility_24h, row.sparkline) == (Size(0), 13, None, (13, 0))


def test_one_at_a_time_and_one_that_waits(registry: Registry, admin: Person) -> None:
    gold = active(registry, admin)
    waiting = registry.calculations.request(gold, by=admin, at=AT)
    assert registry.calculations.request(gold, by=admin, at=AT).id == waiting.id
    (assignment,) = registry.calculations.claim("w", AT)
    assert registry.calculations.claim("other", AT) == ()
    behind = registry.calculations.request(gold, by=admin, at=AT)
    assert behind.id != waiting.id
    assert registry.calculations.claim("other", AT) == ()  # it waits for the one that runs
    finish(registry, assignment, AT, [1])
    (next_one,) = registry.calculations.claim("other", AT)
    assert next_one.id == behind.id


def test_a_later_moment_is_taken_over_by_the_one_that_waits(registry: Registry, admin: Person) -> None:
    gold = active(registry, admin)
    registry.calculations.request(gold, by=admin, at=AT, now=AT - 5 * HOUR)
    registry.calculations.request_outdated(AT, "schedule", now=AT, dataset_version=1)
    (assignment,) = registry.calculations.claim("w", AT)
    assert assignment.now == AT - 5 * HOUR


def test_progress_and_cancel(registry: Registry, admin: Person) -> None:
    gold = active(registry, admin)
    calculate(registry, admin, gold, AT, [1, 2])
    registry.calculations.request(gold, by=admin, at=AT)
    registry.calculations.cancel(gold, by=admin, at=AT)
    assert registry.calculations.claim("w", AT) == ()

    registry.calculations.request(gold, by=admin, at=AT)
    (assignment,) = registry.calculations.claim("w", AT)
    assert registry.calculations.jobs.progress(assignment.id, "w", 1, 4)
    (row,) = registry.audiences.list(admin, AT)
    assert (row.status, row.progress) == ("calculating", 0.25)
    registry.calculations.cancel(gold, by=admin, at=AT)
    assert not registry.calculations.jobs.progress(assignment.id, "w", 2, 4)
    with pytest.raises(LeaseLost):
        finish(registry, assignment, AT, [7, 8, 9])
    assert registry.calculations.get(assignment.id, admin).state == "cancelled"
    assert registry.calculations.members(gold, admin).tolist() == [1, 2]
    (row,) = registry.audiences.list(admin, AT)
    assert (row.status, row.size) == ("active", Size(2))


def test_a_failure_is_an_error_with_its_reason_until_the_next_success(registry: Registry, admin: Person) -> None:
    gold = active(registry, admin)
    calculate(registry, admin, gold, AT, [1, 2])
    registry.calculations.request(gold, by=admin, at=AT)
    (assignment,) = registry.calculations.claim("w", AT)
    registry.calculations.fail(assignment, "w", AT, "The dataset has no workspace 'shop'.")
    (row,) = registry.audiences.list(admin, AT)
    assert (row.status, row.error, row.size) == ("error", "The dataset has no workspace 'shop'.", Size(2))
    calculate(registry, admin, gold, AT, [1])
    (row,) = registry.audiences.list(admin, AT)
    assert (row.status, row.error) == ("active", None)


def test_a_dead_workers_job_is_marked_and_asked_for_again(registry: Registry, admin: Person) -> None:
    gold = active(registry, admin)
    calculate(registry, admin, gold, AT, [1, 2])
    registry.calculations.request(gold, by=admin, at=AT)
    (assignment,) = registry.calculations.claim("w", AT)
    registry.calculations.jobs.heartbeat("w", AT + timedelta(seconds=10))
    assert registry.calculations.recover(AT + timedelta(seconds=20)) == 0  # kept by its heartbeat
    assert registry.calculations.recover(AT + timedelta(seconds=30)) == 1
    states = [each.state for each in registry.calculations.list(gold, admin)]
    assert states == ["queued", "interrupted", "done"]
    assert registry.calculations.members(gold, admin).tolist() == [1, 2]
    with pytest.raises(LeaseLost):  # the dead one was only asleep
        finish(registry, assignment, AT, [7])
    (again,) = registry.calculations.claim("w2", AT)
    assert again.audience_id == gold


def test_a_calculation_that_ends_every_worker_is_given_up(registry: Registry, admin: Person) -> None:
    gold = active(registry, admin)
    for attempt in range(3):
        at = AT + attempt * HOUR
        assert len(registry.calculations.claim("w", at)) == 1
        registry.calculations.recover(at + timedelta(minutes=1))
    assert registry.calculations.claim("w", AT + 4 * HOUR) == ()
    (row,) = registry.audiences.list(admin, AT)
    assert row.status == "error" and "3 times" in (row.error or "")
    calculate(registry, admin, gold, AT + 5 * HOUR, [1])  # on demand it is tried again
    assert registry.audiences.list(admin, AT)[0].status == "active"


def test_only_active_audiences_are_recalculated(registry: Registry, admin: Person) -> None:
    one, two = active(registry, admin, "One"), active(registry, admin, "Two")
    registry.audiences.create(audience("Draft"), by=admin, at=AT)
    registry.audiences.pause(two, by=admin, at=AT)
    (assignment,) = registry.calculations.claim("w", AT)
    assert assignment.audience_id == one
    finish(registry, assignment, AT, [1])

    def outdated(dataset_version: int, now: datetime | None = None) -> int:
        return registry.calculations.request_outdated(AT, "data", dataset_version=dataset_version, now=now)

    # The same moment of the same data has the same answer.
    assert (outdated(1), outdated(1, AT)) == (0, 0)
    assert (outdated(2), outdated(1, AT + HOUR)) == (1, 1)
    assert [each.cause for each in registry.calculations.list(one, admin)] == ["data", "activated"]


def test_an_assignment_has_the_definition_in_force(registry: Registry, admin: Person) -> None:
    gold = active(registry, admin)
    registry.audiences.save(gold, audience("Changed"), by=admin, at=AT, seen=1)
    (assignment,) = registry.calculations.claim("w", AT)
    assert (assignment.version, assignment.definition) == (1, audience("Gold"))


def test_two_memberships_stay_on_disk(registry: Registry, admin: Person, tmp_path: Path) -> None:
    gold = active(registry, admin)
    done = [calculate(registry, admin, gold, AT + number * HOUR, [number]).id for number in range(4)]
    assert {path.name for path in (tmp_path / "memberships").iterdir()} == {f"{each}.zst" for each in done[2:]}
    (tmp_path / "memberships" / "999.zst").write_bytes(b"of a process that died")
    (tmp_path / "memberships" / ".998.zst.x.unfinished").write_bytes(b"also")
    registry.calculations.sweep()
    assert len(list((tmp_path / "memberships").iterdir())) == 2
    registry.audiences.delete(gold, by=admin, at=AT)
    assert list((tmp_path / "memberships").iterdir()) == []
    with pytest.raises(NotFound):
        registry.calculations.members(gold, admin)


def test_memberships_are_compact_and_whole(tmp_path: Path) -> None:
    files = MembershipFiles(tmp_path)
    edges = np.array([-(2**63), -1, 0, 1, 2**63 - 1], np.int64)
    assert files.read(files.write(1, edges)).tolist() == edges.tolist()  # type: ignore[union-attr]
    assert files.read(files.write(2, np.array([], np.int64))).tolist() == []  # type: ignore[union-attr]
    dense = np.arange(100_000, dtype=np.int64) * 3 + 10**15
    files.write(3, dense)
    assert (tmp_path / "3.zst").stat().st_size < 10_000
    assert files.read("4.zst") is None
    whole = (tmp_path / "3.zst").read_bytes()
    (tmp_path / "3.zst").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(RegistryError, match=r"3\.zst"):
        files.read("3.zst")


def test_compared() -> None:
    def both(before: list[int], after: list[int]) -> tuple[int, int]:
        return compared(np.array(before, np.int64), np.array(after, np.int64))

    assert both([], []) == (0, 0)
    assert both([], [1, 2]) == (2, 0)
    assert both([1, 2], []) == (0, 2)
    assert both([1, 5, 9], [0, 5, 9, 10]) == (2, 1)
    assert both([3], [4]) == (1, 1)
