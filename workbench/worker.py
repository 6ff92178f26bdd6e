"""The worker: does what the registry's jobs ask for, beside the app. Loads, calculations, estimates, the schedule."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core import CoreError, Dataset, DatasetBusy, LoadReport
from core.errors import LeaseLost
from core.registry import Load, Registry
from core.registry.calculating import FAILURES, calculate, estimate
from core.registry.jobs import LEASE
from workbench import home
from workbench.loads import load_into, opened, sources

HEARTBEAT_SECONDS: Final = LEASE.total_seconds() / 5
IDLE_SECONDS: Final = 0.3
TOLD_SECONDS: Final = 0.3


class Stopped(CoreError):
    """The worker ends, or somebody has cancelled the job; a load that is told so leaves the dataset as it was."""


def clock() -> datetime:
    """Now."""
    return datetime.now(UTC)


def new_name() -> str:
    """A name that no other worker has."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


@contextmanager
def keeping(registry: Registry, worker: str) -> Iterator[None]:
    """Keep the leases of a worker, in a thread of its own, until the block ends."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            registry.calculations.jobs.heartbeat(worker, clock())
            registry.loads.jobs.heartbeat(worker, clock())

    thread = threading.Thread(target=keep, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Worker:
    """One worker on one home. Loads, calculations and compaction go on beside each other, each in its own thread."""

    def __init__(self, registry: Registry, dataset_path: Path) -> None:
        self.registry, self._path, self.name = registry, dataset_path, new_name()
        self._stop = threading.Event()
        self._dataset: Dataset | None = None
        self._seen: int | None = None
        self._calculated = 0
        self._compacted: int | None = None

    def run(self) -> None:
        """Work until `stop`; then what runs is given back. What a thread raises ends the worker with it."""
        self.registry.calculations.sweep()
        with keeping(self.registry, self.name), ThreadPoolExecutor(3, "work") as threads:
            work = [threads.submit(self._loop, each) for each in (self._load, self._calculate, self._compact)]
            self.registry.settings.seen(clock())
            while not self._stop.wait(HEARTBEAT_SECONDS):
                self.registry.settings.seen(clock())
            for each in work:
                each.result()

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()

    def _loop(self, work: Callable[[], bool]) -> None:
        try:
            while not self._stop.is_set():
                if not work():
                    self._stop.wait(IDLE_SECONDS)
        finally:
            self._stop.set()

    # -- loads -----------------------------------------------------------------------------------------------------

    def _load(self) -> bool:
        """Do the next load; False where none waits."""
        loads, version = self.registry.loads, self._version()
        for ended in loads.recover(clock(), version):
            home.forget_uploads(ended)
        load = loads.claim(self.name, clock(), version)
        if load is None:
            return False
        told = time.monotonic()

        def progress(done: int, total: int | None) -> None:
            nonlocal told
            if time.monotonic() - told < TOLD_SECONDS:
                return
            told = time.monotonic()
            if self._stop.is_set() or not loads.jobs.progress(load.id, self.name, done, total):
                raise Stopped("Cancelled: nothing was loaded.")

        with suppress(LeaseLost):  # this process slept for so long that another has taken over
            self._do(load, progress)
        return True

    def _do(self, load: Load, progress: Callable[[int, int | None], None]) -> None:
        loads = self.registry.loads
        try:
            with opened(self._path) as dataset:
                report = _loaded(dataset, load, progress)
        except Stopped:
            ended = loads.give_back(load.id, self.name, clock())
        except FAILURES as error:
            ended = loads.finish(load.id, self.name, clock(), str(error) or type(error).__name__)
        else:
            ended = loads.finish(load.id, self.name, clock(), report)
        home.forget_uploads(ended)

    def _version(self) -> int | None:
        return Dataset.open(self._path).version if self._path.exists() else None

    # -- compaction ------------------------------------------------------------------------------------------------

    def _compact(self) -> bool:
        """Merge the files of many loads after every change; False where there was nothing to do.

        It waits until that version is calculated: somebody waits for answers, nobody for fewer files.
        """
        version = self._version()
        if version is None or version == self._compacted:
            return False
        while self._calculated < version:
            if self._stop.wait(IDLE_SECONDS):
                return False
        dataset = Dataset.open(self._path)
        before = dataset.version
        try:
            merged = dataset.compact()
        except DatasetBusy:
            return False  # somebody else compacts
        if merged and dataset.version == before + 1:  # nothing was loaded meanwhile: every answer stays
            self.registry.calculations.stay(before, dataset.version)
        self._compacted = dataset.version
        dataset.prepare(going=lambda: not self._stop.is_set())
        return True

    # -- calculations ----------------------------------------------------------------------------------------------

    def _calculate(self) -> bool:
        """Do what waits; False where nothing does."""
        calculations = self.registry.calculations
        calculations.recover(clock())
        dataset = self._refreshed()
        if dataset is None:
            return False
        self._ask(dataset)
        assignments = calculations.claim(self.name, clock())
        calculate(
            calculations, dataset, assignments, worker=self.name, clock=clock, going=lambda: not self._stop.is_set()
        )
        estimated = estimate(calculations, dataset, clock=clock)
        self._calculated = dataset.version
        return bool(assignments or estimated)

    def _refreshed(self) -> Dataset | None:
        if self._dataset is None and self._path.exists():
            self._dataset = home.open_dataset(self._path)
        return None if self._dataset is None else self._dataset.refresh()

    def _ask(self, dataset: Dataset) -> None:
        """Ask for what new data or the schedule has made old."""
        at, version = clock(), dataset.version
        if version != self._seen:
            self.registry.calculations.request_outdated(at, "data", dataset_version=version)
            self._seen = version
        if self.registry.settings.due(at):
            now = dataset.as_of(at)
            self.registry.calculations.request_outdated(at, "schedule", dataset_version=version, now=now)


def _loaded(dataset: Dataset, load: Load, progress: Callable[[int, int | None], None]) -> LoadReport:
    form, files = sources(load.sources, load.format)
    return load_into(
        dataset,
        format=form,
        files=files,
        mapping=load.mapping,
        workspace=load.workspace,
        input=load.input,
        kind=load.kind,
        environment=load.environment,
        received_at=load.requested_at,
        progress=progress,
    )
