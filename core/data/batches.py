"""mParticle batches into a dataset (DEFINITION 6): read, kept or refused, loaded all or nothing."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.context import BaseContext
from typing import Any, Final, Literal

import orjson

from core.data.batch_pieces import EVENTS, Pieces, identities_of
from core.data.batch_rows import Locate, part_of
from core.data.batch_shapes import Limits, Odd, Refused, canonical
from core.data.geoip import locator
from core.data.loading import Loader, LoadReport, Part, Refusal
from core.data.sources import Block, Broken, Found, blocks, collector_paused, files_of
from core.data.store import Store
from core.errors import InputError

Progress = Callable[[int, int | None], None]
Environment = Literal["production", "development", "all"]

BLOCK_BYTES: Final = 8 << 20
"""So much of a file is read at a time, here or by another process, and is one part of a load."""

BLOCK_EVENTS: Final = 20_000
"""So many batches and events are, where they do not come as lines of a file: as dicts, or as one array."""


def load_batches(
    store: Store,
    batches: Any,
    *,
    workspace: str,
    input: str,
    kind: str = "platform",
    received_at: datetime | None = None,
    environment: Environment = "production",
    geoip_path: str | os.PathLike[str] | None = None,
    processes: int = 1,
    progress: Progress | None = None,
) -> LoadReport:
    """Loads batches: dicts, or paths of JSON files, folders and globs; one of them or an iterable.

    `received_at` (with a time zone) is the time of batches that have none. With more `processes` than one, files are
    read in that many beside this one. `progress(done, total)` counts bytes where all of the sources are paths, else
    batches; what it raises cancels the load and leaves the dataset as it was.
    Raises InputError for a source that cannot be read, DatasetError for a dataset that cannot be written.
    """
    if environment not in ("production", "development", "all"):
        raise InputError(f"{environment!r} is no environment.", "Use 'production', 'development' or 'all'.")
    if processes < 1:
        raise InputError(f"{processes} processes read nothing.", "Use 1 or more.")
    received_ms = None if received_at is None else _milliseconds(received_at)
    sources = _sources(batches)
    meter = _Meter(sources, progress)
    how = How(environment, received_ms, geoip_path)
    with Loader(store, workspace=workspace, input=input, kind=kind) as load:
        if processes > 1:
            told = _in_processes(sources, meter, how, processes, load.stage)
        else:
            told = _here(sources, meter, how, load.stage)
        meter.tell()
        return load.commit(skipped=told.skipped, cut=told.cut, refusals=told.refusals)


@dataclass(frozen=True)
class How:
    """How batches are read."""

    environment: Environment
    received_ms: int | None
    geoip_path: str | os.PathLike[str] | None


@dataclass
class _Told:
    """What reading gave beside the parts."""

    skipped: int = 0
    cut: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def add(self, other: _Told) -> None:
        """Counts what other documents gave."""
        self.skipped += other.skipped
        self.cut += other.cut
        self.refusals += other.refusals


_Read = tuple[Part | None, _Told]


def _here(sources: Iterable[Any], meter: _Meter, how: How, deliver: Callable[[Part], None]) -> _Told:
    told = _Told()
    for block in _blocks(sources, meter):
        part, more = _read_block(how, block)
        if part is not None:
            deliver(part)
        told.add(more)
        meter.batches_read(len(block.parsed))
    return told


def _blocks(sources: Iterable[Any], meter: _Meter) -> Iterator[Block]:
    return blocks(sources, meter.bytes_read, BLOCK_BYTES, BLOCK_EVENTS, lambda document: 1 + _events_in(document))


def _events_in(batch: Any) -> int:
    events = batch.get("events") if type(batch) is dict else None
    return len(events) if type(events) is list else 0


def _in_processes(
    sources: Iterable[Any], meter: _Meter, how: How, processes: int, deliver: Callable[[Part], None]
) -> _Told:
    """Reads blocks in other processes, a few ahead, and hands over their parts in order.

    Where it would have to wait for the next parts, this process reads a block itself: others take a second to start.
    """
    told = _Told()
    pending: deque[_Reader] = deque()

    def finish() -> None:
        if not pending[0].done():
            next((each for each in reversed(pending) if each.taken_over()), None)
        part, more = pending.popleft().result()
        if part is not None:
            deliver(part)
        told.add(more)

    pool = ProcessPoolExecutor(processes, _processes())
    try:
        for block in _blocks(sources, meter):
            pending.append(_Reader(pool, how, block))
            meter.batches_read(len(block.parsed))
            if len(pending) > 2 * processes + 1:
                finish()
        while pending:
            finish()
    except BrokenProcessPool as error:
        raise InputError(
            "A process that reads batches ended before its time.",
            "Load with one process, or guard the script's main part: if __name__ == '__main__'.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
    return told


class _Reader:
    """A block that another process reads, or this one."""

    def __init__(self, pool: ProcessPoolExecutor, how: How, block: Block) -> None:
        self._how, self._block = how, block
        self._future = pool.submit(_read_block, how, block)
        self._here: _Read | None = None

    def done(self) -> bool:
        """Whether there is a result."""
        return self._here is not None or self._future.done()

    def taken_over(self) -> bool:
        """Whether nobody had begun, and it was read here, now."""
        if self._here is None and self._future.cancel():
            self._here = _read_block(self._how, self._block)
            return True
        return False

    def result(self) -> _Read:
        """The parts of the block and what was told of it."""
        return self._future.result() if self._here is None else self._here


def _processes() -> BaseContext:
    """How processes are started: where it can be, by one that has imported all of this before and stays for later."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _read_block(how: How, block: Block) -> _Read:
    """The part that a block is, None if there is nothing in it. Where one batch is not in the shape that is read fast,
    all of the block are brought into it, or refused. Should one still not be in it, each is read by itself first, and
    refused where that fails: no batch ends a load."""
    geoip = nullcontext() if how.geoip_path is None else locator(how.geoip_path)
    with geoip as locate, collector_paused():
        with suppress(Odd):
            return Reading(how, locate, shaping=False).read(block)
        with suppress(Odd):
            return Reading(how, locate, shaping=True).read(block)
        return Reading(how, locate, shaping=True, alone=True).read(block)


def _milliseconds(moment: datetime) -> int:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InputError("received_at must be a moment with its time zone.", "Use datetime(..., tzinfo=UTC).")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _sources(batches: Any) -> Iterable[Any]:
    if isinstance(batches, str | os.PathLike | dict):
        return [batches]
    if not isinstance(batches, Iterable) or isinstance(batches, bytes | bytearray):
        raise InputError(f"Batches come as dicts or paths, not as {type(batches).__name__}.", "Pass a list of them.")
    return batches


class _Meter:
    """Tells the caller how far a load is: bytes of files where all sources are paths, else batches."""

    def __init__(self, sources: Iterable[Any], progress: Progress | None) -> None:
        self._progress, self._done = progress, 0
        self._total: int | None = None
        self._bytes = False
        if progress is not None and isinstance(sources, list | tuple):
            paths = [source for source in sources if isinstance(source, str | os.PathLike)]
            self._bytes = len(paths) == len(sources)
            files = [file for path in paths for file in files_of(path)] if self._bytes else []
            self._total = (
                sum(os.path.getsize(file) for file in files) if self._bytes else len(sources) if not paths else None
            )

    def bytes_read(self, count: int) -> None:
        if self._bytes:
            self._done += count
            self.tell()

    def batches_read(self, count: int) -> None:
        if not self._bytes:
            before = self._done
            self._done += count
            if self._done // 1000 > before // 1000:
                self.tell()

    def tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total)


class Reading:
    """Reads documents as they come, and collects the few that are at hand."""

    def __init__(self, how: How, locate: Locate | None, *, shaping: bool, alone: bool = False) -> None:
        """`shaping`: every batch is brought into its one shape or refused; else what is not in it raises Odd.
        `alone`: refused is also what cannot be read by itself in this shape."""
        self._how, self._locate, self._shaping, self._alone = how, locate, shaping, alone
        self._pieces = Pieces(Limits())
        self._last: list[dict[str, Any]] = []
        self._events = 0
        self._told = _Told()

    def read(self, block: Block) -> _Read:
        """The part that a block is, None if there is nothing in it, and what was told of it."""
        for found in block.documents():
            batch = self._batch(found)
            if batch is not None:
                self._last.append(batch)
                self._events += _events_in(batch)
                if self._events >= EVENTS or len(self._last) >= EVENTS // 10:
                    self._read_last()
        self._read_last()
        part = self._part(self._pieces) if len(self._pieces.batches) else None
        self._told.cut = self._pieces.limits.cut
        return part, self._told

    def _part(self, pieces: Pieces) -> Part:
        return part_of(pieces, self._how.received_ms, self._locate)

    def _read_last(self) -> None:
        self._pieces.add(self._last)
        self._last, self._events = [], 0

    def _batch(self, found: Found) -> dict[str, Any] | None:
        """The batch of a document, None if it is refused or of another environment."""
        batch = found.document
        if isinstance(batch, Broken):
            self._refuse(found, batch.reason)
            return None
        if type(batch) is dict and not self._wanted(batch.get("environment")):
            self._told.skipped += 1
            return None
        if not self._shaping:
            if type(batch) is not dict or (found.source == "batches" and not _speaks_json(batch)):
                raise Odd("batch")
            return batch
        try:
            shaped, reasons = canonical(batch)
            self._check(shaped)
        except Refused as refusal:
            self._refuse(found, str(refusal))
            return None
        except Odd as odd:
            self._refuse(found, f"It cannot be read: {odd}.")
            return None
        for reason in reasons:
            self._refuse(found, reason)
        return shaped

    def _wanted(self, environment: Any) -> bool:
        if self._how.environment == "all":
            return True
        development = isinstance(environment, str) and environment.lower() == "development"
        return development == (self._how.environment == "development")

    def _refuse(self, found: Found, reason: str) -> None:
        item = "" if found.item is None else f"item {found.item}: "
        self._told.refusals.append(Refusal(found.source, found.line, item + reason))

    def _check(self, batch: dict[str, Any]) -> None:
        if batch["mpid"] is None and not any(identities_of(batch, batch["device_info"])):
            raise Refused("It has neither an mpid nor an identity.")
        times = (batch, *(event["data"] for event in batch["events"]))
        if self._how.received_ms is None and all(each["timestamp_unixtime_ms"] is None for each in times):
            raise Refused("It has no time of its own, no event with a time and no time of arrival.")
        if self._alone:
            pieces = Pieces(Limits())
            pieces.add([batch])
            self._part(pieces)


def _speaks_json(batch: dict[str, Any]) -> bool:
    """Whether a dict made by a program holds what JSON can say; others are cleaned first."""
    try:
        orjson.dumps(batch)
    except TypeError:
        return False
    return True
