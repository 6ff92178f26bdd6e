"""The worker as a process: jobs are done, new data is noticed, kill -9 leaves the last complete membership."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import Audience, Dataset
from core.registry import Load, Person, Registry, Size
from tests.workbench.homes import ROOT, batch, load, run, tier
from workbench import home as home_module

WAIT_SECONDS = 90.0


def clock() -> datetime:
    return datetime.now(UTC)


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    load(tmp_path, [batch(1, "gold"), batch(2, "gold"), batch(3, "silver")])
    return tmp_path


@pytest.fixture
def registry(home: Path) -> Iterator[Registry]:
    opened = Registry.open(f"sqlite:///{home / 'registry.sqlite'}", memberships=home / "memberships", at=clock())
    yield opened
    opened.close()


@pytest.fixture
def me(registry: Registry) -> Person:
    return registry.people.local()


@pytest.fixture
def start(home: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts workers; those that still run at the end are told to end, and do."""
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "workbench.cli", "serve-jobs"]
        environment = {**os.environ, "WORKBENCH_HOME": str(home)}
        started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL))
        return started[-1]

    yield begin
    for each in started:
        if each.poll() is None:
            each.terminate()
            assert each.wait(30) in (0, -signal.SIGTERM, 128 + signal.SIGTERM), "the others: it had not begun"


def activated(registry: Registry, me: Person, document: dict[str, object]) -> str:
    made = registry.audiences.create(Audience.from_dict(document), by=me, at=clock())
    return registry.audiences.activate(made.id, by=me, at=clock(), seen=1).id


def size(registry: Registry, me: Person, audience_id: str) -> Size:
    return next(each.size for each in registry.audiences.list(me, clock()) if each.id == audience_id)


def test_activation_new_data_and_estimates(
    home: Path, registry: Registry, me: Person, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    gold = activated(registry, me, tier("gold"))
    draft = registry.audiences.create(Audience.from_dict(tier("silver", "Silver")), by=me, at=clock()).id
    start()
    until(lambda: size(registry, me, gold) == Size(2))
    until(lambda: size(registry, me, draft).count == 1)
    assert size(registry, me, draft).estimated
    assert registry.settings.worker_is_there(clock())
    # Data that somebody else loads is noticed.
    load(home, [batch(4, "gold"), batch(1, "silver", hours_ago=0, number=1)])
    until(lambda: size(registry, me, gold) == Size(2) and len(registry.calculations.history(gold, me)) >= 2)
    last = registry.calculations.history(gold, me)[-1]
    assert (last.adds, last.drops, last.cause) == (1, 1, "data")


def test_a_load_is_done_and_what_is_active_follows(
    home: Path, registry: Registry, me: Person, start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    gold = activated(registry, me, tier("gold"))
    file = tmp_path / "uploaded.jsonl"
    file.write_text("\n".join(json.dumps(batch(number, "gold")) for number in range(10, 15)) + "\nno json\n")

    def ask(sources: list[str], uploaded: bool = False) -> Load:
        return registry.loads.request(
            format="mparticle", sources=sources, workspace="shop", input="ios", uploaded=uploaded, by=me, at=clock()
        )

    cut, unwanted = tmp_path / "cut" / "cut.jsonl.gz", tmp_path / "unwanted" / "unwanted.jsonl"
    for each in (cut, unwanted):
        each.parent.mkdir()
        each.write_bytes(gzip.compress(b'{"mpid": 1}')[:-9])
    never = ask([str(unwanted)], uploaded=True)
    home_module.forget_uploads(never)
    assert unwanted.exists(), "it still waits"
    home_module.forget_uploads(registry.loads.cancel(never.id, by=me, at=clock()))
    assert not unwanted.parent.exists(), "an upload goes with its load when that is cancelled"
    asked, damaged = ask([str(file)], uploaded=True), ask([str(cut)], uploaded=True)
    wrong = ask([str(tmp_path / "nowhere.jsonl")])
    start()
    until(lambda: not registry.loads.get(wrong.id, me).open)
    done = registry.loads.get(asked.id, me)
    assert done.state == "done" and done.report is not None, done
    assert (done.report["batches"], len(done.report["refusals"])) == (5, 1)
    assert not file.exists(), "an upload is removed when it is loaded"
    assert registry.loads.get(damaged.id, me).state == "failed"
    assert not cut.parent.exists(), "and when it fails"
    failed = registry.loads.get(wrong.id, me)
    assert failed.state == "failed" and "no such file" in (failed.error or "")
    until(lambda: size(registry, me, gold) == Size(7))


def test_kill_9_leaves_the_last_complete_membership_and_a_marked_job(
    home: Path, registry: Registry, me: Person, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    gold = activated(registry, me, tier("gold"))
    worker = start()
    until(lambda: size(registry, me, gold) == Size(2))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    # A worker that is killed in the middle of a calculation: after it has claimed, before it is done.
    registry.calculations.request(gold, by=me, at=clock())
    load(home, [batch(4, "gold")])
    middle = """
import time
from datetime import UTC, datetime
from workbench import home
registry = home.registry()
registry.calculations.claim("doomed", datetime.now(UTC))
(registry.calculations.files.folder / ".0.zst.half.unfinished").write_bytes(b"half")
print("claimed", flush=True)
time.sleep(600)
"""
    doomed = subprocess.Popen(
        [sys.executable, "-c", middle],
        cwd=ROOT,
        env={**os.environ, "WORKBENCH_HOME": str(home)},
        stdout=subprocess.PIPE,
    )
    assert doomed.stdout is not None and doomed.stdout.readline() == b"claimed\n"
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    assert registry.calculations.members(gold, me).tolist() == [1, 2]
    assert registry.calculations.list(gold, me)[0].state == "running"
    start()
    until(lambda: size(registry, me, gold) == Size(3))
    states = [each.state for each in registry.calculations.list(gold, me)]
    assert "interrupted" in states and states[-1] == "done"
    assert registry.calculations.members(gold, me).tolist() == [1, 2, 4]
    assert not list((home / "memberships").glob(".*")), "what was half written is swept"


@pytest.mark.slow
def test_killed_at_random_moments_every_membership_is_whole(
    home: Path, registry: Registry, me: Person, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    wanted = {f"t{number}": list(range(1000 * number, 1000 * number + 500)) for number in range(1, 9)}
    load(home, [batch(mpid, name) for name, mpids in wanted.items() for mpid in mpids])
    ids = {name: activated(registry, me, tier(name, name)) for name in wanted}
    for pause in (0.0, 0.1):
        worker = start()
        until(lambda: any(registry.calculations.list(each, me)[0].state != "queued" for each in ids.values()))
        time.sleep(pause)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        for name, audience_id in ids.items():
            if registry.calculations.history(audience_id, me):
                assert registry.calculations.members(audience_id, me).tolist() == wanted[name]
            registry.calculations.request(audience_id, by=me, at=clock())
    start()
    until(lambda: all(each.status == "active" for each in registry.audiences.list(me, clock())))
    for name, audience_id in ids.items():
        assert registry.calculations.members(audience_id, me).tolist() == wanted[name]


def test_calculate_on_the_command_line_goes_along_with_a_worker(
    home: Path, registry: Registry, me: Person, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    gold = activated(registry, me, tier("gold"))
    start()
    for _ in range(2):
        done = run(home, "audiences", "calculate", gold, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["size"] == 2
    states = {each.state for each in registry.calculations.list(gold, me)}
    assert states == {"done"}


def test_run_starts_a_worker_again_and_ends_it(home: Path, registry: Registry, me: Person) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "workbench.cli", "run", "--no-browser", "--port", str(port)]
    environment = {**os.environ, "WORKBENCH_HOME": str(home)}
    app = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until(lambda: workers_of(app.pid))
        (first,) = workers_of(app.pid)
        os.kill(first, signal.SIGKILL)
        until(lambda: workers_of(app.pid) and workers_of(app.pid) != [first])
        gold = activated(registry, me, tier("gold"))
        until(lambda: size(registry, me, gold) == Size(2))
        (second,) = workers_of(app.pid)
    finally:
        app.terminate()
        app.wait(60)
    until(lambda: not Path(f"/proc/{second}").exists())


def workers_of(parent: int) -> list[int]:
    """The processes of `serve-jobs` that a process started."""
    found = []
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            if b"serve-jobs" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def test_many_loads_are_merged_after_the_answers_and_change_none(
    home: Path, registry: Registry, me: Person, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    gold = activated(registry, me, tier("gold"))
    for number in range(10, 20):
        load(home, [batch(number, "gold")])
    before = Dataset.open(home / "dataset")
    start()
    until(lambda: Dataset.open(home / "dataset").version > before.version)
    merged = Dataset.open(home / "dataset")
    assert (len(before.snapshot.manifest.segments), len(merged.snapshot.manifest.segments)) == (11, 1)
    (only,) = registry.calculations.history(gold, me)
    assert (only.size, only.cause) == (12, "activated"), "calculated once, before the files were merged"
    # What was calculated counts for the merged version: a worker that begins anew has nothing to do.
    until(lambda: registry.calculations.history(gold, me)[0].dataset_version == merged.version)
