"""Eight threads and two processes write at once: nothing is lost, and of conflicting edits only one gets through."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.errors import EditConflict, LeaseLost, NestingError
from core.registry import Person, Registry
from tests.registry.audiences import attribute, audience, member_of
from tests.registry.conftest import AT

ROOT = Path(__file__).parents[2]
THREADS = 8


def test_threads_lose_nothing(registry: Registry, admin: Person) -> None:
    """Each thread makes audiences of one name, tags all of one audience, and edits it until it gets through."""
    shared = registry.audiences.create(audience("Shared"), by=admin, at=AT).id

    def write(number: int) -> list[str]:
        made = [registry.audiences.create(audience("Same name"), by=admin, at=AT).id for _ in range(5)]
        for tag in range(5):
            registry.audiences.tag([shared], by=admin, at=AT, add=[f"t{number}-{tag}"])
        while True:
            seen = registry.audiences.get(shared, admin)
            edited = audience("Shared", *(each.model_dump() for each in leaves(seen)), attribute(f"by{number}"))
            try:
                registry.audiences.save(shared, edited, by=admin, at=AT, seen=seen.version)
                return made
            except EditConflict:
                continue

    def leaves(saved) -> list:  # type: ignore[no-untyped-def, type-arg]
        return [node for _, node in saved.definition.nodes() if not node.children()]

    with ThreadPoolExecutor(THREADS) as threads:
        made = [each for several in threads.map(write, range(THREADS)) for each in several]
    assert len(set(made)) == THREADS * 5
    assert len(registry.audiences.list(admin, AT)) == THREADS * 5 + 1
    final = registry.audiences.get(shared, admin)
    assert final.version == THREADS + 1
    assert {node.attribute for node in leaves(final)} == {"tier", *(f"by{number}" for number in range(THREADS))}
    assert len(final.tags) == THREADS * 5
    log = registry.audit.of_audience(shared, admin)
    assert sorted(each.action for each in log) == sorted(["created", *["saved"] * THREADS, *["tagged"] * THREADS * 5])


def test_of_edits_of_one_version_one_gets_through(registry: Registry, admin: Person) -> None:
    shared = registry.audiences.create(audience("Shared"), by=admin, at=AT).id

    def save(number: int) -> bool:
        try:
            registry.audiences.save(shared, audience("Shared", attribute(f"a{number}")), by=admin, at=AT, seen=1)
        except EditConflict:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as threads:
        assert sorted(threads.map(save, range(THREADS))) == [False] * (THREADS - 1) + [True]
    assert registry.audiences.get(shared, admin).version == 2


def test_nesting_holds_against_edits_at_once(registry: Registry, admin: Person) -> None:
    """Two audiences try to name each other, again and again: never both."""
    for round_ in range(10):
        one = registry.audiences.create(audience(f"One {round_}"), by=admin, at=AT).id
        two = registry.audiences.create(audience(f"Two {round_}"), by=admin, at=AT).id

        def name(pair: tuple[str, str]) -> bool:
            try:
                registry.audiences.save(pair[0], audience(pair[0], member_of(pair[1])), by=admin, at=AT, seen=1)
            except NestingError:
                return False
            return True

        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(name, [(one, two), (two, one)])) == [False, True]


def test_workers_share_the_calculations(registry: Registry, admin: Person) -> None:
    """Every calculation that is asked for is done once, whoever takes it."""
    ids = [registry.audiences.create(audience(f"A{number}"), by=admin, at=AT).id for number in range(12)]
    for audience_id in ids:
        registry.audiences.activate(audience_id, by=admin, at=AT, seen=1)

    def work(number: int) -> int:
        done = 0
        while True:
            claimed = registry.calculations.claim(f"w{number}", AT, limit=2)
            if not claimed:
                return done
            for each in claimed:
                registry.calculations.finish(
                    each, f"w{number}", AT, now=AT, dataset_version=1, members=np.array([1], np.int64), universe=1
                )
                done += 1

    with ThreadPoolExecutor(4) as threads:
        done = sum(threads.map(work, range(4)))
    while rest := registry.calculations.claim("last", AT):
        done += len(rest)
        for each in rest:
            members = np.array([1], np.int64)
            registry.calculations.finish(each, "last", AT, now=AT, dataset_version=1, members=members, universe=1)
    assert done == len(ids)
    assert all(len(registry.calculations.history(each, admin)) == 1 for each in ids)


def test_deleting_what_is_being_calculated(registry: Registry, admin: Person, tmp_path: Path) -> None:
    gold = registry.audiences.create(audience(), by=admin, at=AT).id
    registry.audiences.activate(gold, by=admin, at=AT, seen=1)
    (claimed,) = registry.calculations.claim("w", AT)
    registry.audiences.delete(gold, by=admin, at=AT)
    members = np.array([1], np.int64)
    with pytest.raises(LeaseLost):
        registry.calculations.finish(claimed, "w", AT, now=AT, dataset_version=1, members=members, universe=1)
    assert list((tmp_path / "memberships").iterdir()) == []


WRITER = """
import sys
from pathlib import Path
from core.registry import Registry
from tests.registry.audiences import audience
from tests.registry.conftest import AT
url, folder, name = sys.argv[1:]
registry = Registry.open(url, memberships=Path(folder), at=AT)
me = registry.people.local()
print("ready", flush=True)
sys.stdin.readline()
for number in range(25):
    registry.audiences.create(audience("Same name"), by=me, at=AT)
    registry.audiences.tag(["shared"], by=me, at=AT, add=[f"{name}{number}"])
    registry.drafts.keep(f"{name}{number}", {"n": number}, by=me, at=AT)
registry.close()
"""


def test_two_processes_lose_nothing(registry: Registry, admin: Person, url: str, tmp_path: Path) -> None:
    registry.audiences.create(audience("Shared"), by=admin, at=AT)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(tmp_path), name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("a", "b")
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
    assert [process.wait(120) for process in processes] == [0, 0]
    assert len(registry.audiences.list(admin, AT)) == 51
    assert len(registry.audiences.get("shared", admin).tags) == 50
    assert len(registry.drafts.list(admin)) == 50
