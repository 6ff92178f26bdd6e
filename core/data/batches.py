"""mParticle batches into a dataset (DEFINITION 6): read, kept or refused, loaded all or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import orjson

from core.data.batch_rows import Locate, identities_of, part_of
from core.data.batch_shapes import Limits, Odd, Refused, canonical
from core.data.geoip import locator
from core.data.loading import Loader, LoadReport, Refusal
from core.data.sources import Broken, Found, documents, files_of
from core.data.store import Store
from core.errors import InputError

Progress = Callable[[int, int | None], None]
Environment = Literal["production", "development", "all"]

PART_EVENTS: Final = 25_000
"""Batches are read into rows in parts of about this many events: the documents of one part are in memory at a time."""
_PART_BATCHES: Final = 10_000


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
    progress: Progress | None = None,
) -> LoadReport:
    """Loads batches: dicts, or paths of JSON files, folders and globs; one of them or an iterable.

    `received_at` (with a time zone) is the time of batches that have none. `progress(done, total)` counts bytes where
    all of the sources are paths, else batches; what it raises cancels the load and leaves the dataset as it was.
    Raises InputError for a source that cannot be read, DatasetError for a dataset that cannot be written.
    """
    if environment not in ("production", "development", "all"):
        raise InputError(f"{environment!r} is no environment.", "Use 'production', 'development' or 'all'.")
    received_ms = None if received_at is None else _milliseconds(received_at)
    sources = _sources(batches)
    meter = _Meter(sources, progress)
    with (
        nullcontext() if geoip_path is None else locator(geoip_path) as locate,
        Loader(store, workspace=workspace, input=input, kind=kind) as load,
    ):
        reading = _Reading(load, environment, received_ms, locate)
        for found in documents(sources, meter.bytes_read):
            reading.take(found)
            meter.batch_read()
        reading.flush()
        meter.tell()
        return load.commit(skipped=reading.skipped, cut=reading.limits.cut, refusals=reading.refusals)


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

    def batch_read(self) -> None:
        if not self._bytes:
            self._done += 1
            if self._done % 1000 == 0:
                self.tell()

    def tell(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._total)


class _Reading:
    """Collects documents into parts; those that are not in shape are brought into it or refused."""

    def __init__(self, load: Loader, environment: Environment, received_ms: int | None, locate: Locate | None) -> None:
        self._load, self._environment, self._received_ms, self._locate = load, environment, received_ms, locate
        self._batches: list[dict[str, Any]] = []
        self._places: list[Found] = []
        self._events = 0
        self.limits = Limits()
        self.skipped = 0
        self.refusals: list[Refusal] = []

    def take(self, found: Found) -> None:
        batch = found.document
        if isinstance(batch, Broken):
            self._refuse(found, batch.reason)
            return
        if type(batch) is not dict or (found.source == "batches" and not _speaks_json(batch)):
            try:
                batch, reasons = canonical(batch)
            except Refused as refusal:
                self._refuse(found, str(refusal))
                return
            for reason in reasons:
                self._refuse(found, reason)
        if self._wanted(batch.get("environment")):
            events = batch.get("events")
            self._batches.append(batch)
            self._places.append(found)
            self._events += len(events) if type(events) is list else 0
            if self._events >= PART_EVENTS or len(self._batches) >= _PART_BATCHES:
                self.flush()
        else:
            self.skipped += 1

    def _wanted(self, environment: Any) -> bool:
        if self._environment == "all":
            return True
        development = isinstance(environment, str) and environment.lower() == "development"
        return development == (self._environment == "development")

    def _refuse(self, found: Found, reason: str) -> None:
        item = "" if found.item is None else f"item {found.item}: "
        self.refusals.append(Refusal(found.source, found.line, item + reason))

    def flush(self) -> None:
        """Hands over what was collected."""
        if not self._batches:
            return
        before = self.limits.cut
        try:
            part = part_of(self._batches, self.limits, self._received_ms, self._locate)
        except Odd:
            self.limits.cut = before
            shaped = list(self._shaped())
            part = part_of(shaped, self.limits, self._received_ms, self._locate)
        self._load.stage(part)
        self._batches, self._places, self._events = [], [], 0

    def _shaped(self) -> Iterator[dict[str, Any]]:
        for batch, found in zip(self._batches, self._places, strict=True):
            try:
                shaped, reasons = canonical(batch)
                self._check(shaped)
            except Refused as refusal:
                self._refuse(found, str(refusal))
                continue
            for reason in reasons:
                self._refuse(found, reason)
            yield shaped

    def _check(self, batch: dict[str, Any]) -> None:
        if batch["mpid"] is None and not any(identities_of(batch, batch["device_info"])):
            raise Refused("It has neither an mpid nor an identity.")
        times = (batch, *(event["data"] for event in batch["events"]))
        if self._received_ms is None and all(each["timestamp_unixtime_ms"] is None for each in times):
            raise Refused("It has no time of its own, no event with a time and no time of arrival.")


def _speaks_json(batch: dict[str, Any]) -> bool:
    """Whether a dict made by a program holds what JSON can say; others are cleaned first."""
    try:
        orjson.dumps(batch)
    except TypeError:
        return False
    return True
