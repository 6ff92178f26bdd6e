"""mParticle batches into a dataset (DEFINITION 6): read, kept or refused, loaded all or nothing."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.context import BaseContext
from typing import Any, Final, Literal

import msgspec
import orjson

from core.data.batch_limits import Limits
from core.data.batch_pieces import EVENTS, Pieces
from core.data.batch_rows import Locate, part_of
from core.data.batch_shapes import Refused, canonical, settle
from core.data.batch_types import Batch
from core.data.geoip import locator
from core.data.loading import Loader, LoadReport, Part, Refusal
from core.data.sources import Block, Broken, Found, blocks, collector_paused, documents_in, files_of
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
    """The part that a block is, None if there is nothing in it."""
    geoip = nullcontext() if how.geoip_path is None else locator(how.geoip_path)
    with geoip as locate, collector_paused():
        return Reading(how, locate).read(block)


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
    """Reads batches as they come, and collects the few that are at hand."""

    def __init__(self, how: How, locate: Locate | None) -> None:
        self._how, self._locate = how, locate
        self._pieces = Pieces(Limits())
        self._last: list[Batch] = []
        self._events = 0
        self._told = _Told()

    def read(self, block: Block) -> _Read:
        """The part that a block is, None if there is nothing in it, and what was told of it."""
        for found in block.parsed:
            self._document(found)
        for number, text in block.lines():
            try:
                batch = in_shape(text)
            except _UNSHAPED:
                for found in documents_in(block.source, number, text):
                    self._document(found)
            else:
                if self._wanted(batch.environment):
                    self._take(batch, (), Found(block.source, number, None))
        self._read_last()
        part = part_of(self._pieces, self._how.received_ms, self._locate) if len(self._pieces.batches) else None
        self._told.cut = self._pieces.limits.cut
        return part, self._told

    def _document(self, found: Found) -> None:
        """Takes what stood in JSON, or what a program gave: as it is where that is in shape, else brought into it."""
        document = found.document
        if isinstance(document, Broken):
            self._refuse(found, document.reason)
        elif type(document) is not dict or self._wanted(document.get("environment")):
            reasons: list[str] = []
            try:
                try:
                    batch = _as_it_is(document, found.source == "batches")
                except _UNSHAPED:
                    batch, reasons = canonical(document)
            except Refused as refusal:
                self._refuse(found, str(refusal))
            else:
                self._take(batch, reasons, found)

    def _take(self, batch: Batch, reasons: Iterable[str], found: Found) -> None:
        """Takes a batch in shape; `reasons`: why some of its events were left out."""
        try:
            settle(batch, self._how.received_ms)
        except Refused as refusal:
            reasons = [str(refusal)]
        else:
            self._last.append(batch)
            self._events += len(batch.events or ())
            if self._events >= EVENTS or len(self._last) >= EVENTS // 10:
                self._read_last()
        for reason in reasons:
            self._refuse(found, reason)

    def _read_last(self) -> None:
        self._pieces.add(self._last)
        self._last, self._events = [], 0

    def _wanted(self, environment: Any) -> bool:
        """Whether batches of an environment are loaded; counts those that are not."""
        development = isinstance(environment, str) and environment.lower() == "development"
        wanted = self._how.environment == "all" or development == (self._how.environment == "development")
        self._told.skipped += not wanted
        return wanted

    def _refuse(self, found: Found, reason: str) -> None:
        item = "" if found.item is None else f"item {found.item}: "
        self._told.refusals.append(Refusal(found.source, found.line, item + reason))


_LINES: Final = msgspec.json.Decoder(Batch)
_UNSHAPED: Final = (ValueError, TypeError, RecursionError)
"""What is raised of a document that is not in shape: the JSON libraries' own errors are of these."""


def in_shape(text: bytes) -> Batch:
    """The batch of a line; raises an error of `_UNSHAPED` if it is not in shape, or no JSON."""
    batch = _LINES.decode(text)
    if not text.isascii():
        text.decode()  # nobody has looked into the texts of keys that were left out
    return batch


def _as_it_is(document: Any, program: bool) -> Batch:
    """The same of a document; one that a program made must hold just what JSON can say."""
    if program:
        said = orjson.loads(orjson.dumps(document))
        if said != document:
            raise ValueError
        document = said
    return msgspec.convert(document, Batch)
