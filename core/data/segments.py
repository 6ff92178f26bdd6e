"""From staged rows to segments: groups of parts written one after the other, one commit at the end."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from core.data.group import Group, Mask, Staged
from core.data.keys import KeySet, scatter
from core.data.manifest import Manifest, Segment
from core.data.numbering import Mpids, Numbering
from core.data.parquet import write
from core.data.store import Store, Writer, explained

BATCH_KEYS: Final = "batch_keys.npy"
EVENT_KEYS: Final = "event_keys.npy"
GROUP_EVENTS: Final = 3_000_000
"""A load of more than this (`Staged.size`) is written as several segments, so that memory stays bounded."""

FIRST_EVENTS: Final = 1_000_000
"""The first group of a load is smaller, and each at most twice as big as the one before: writing begins early."""

_SHARD_SALT: Final = np.uint64(0x5851F42D4C957F2D)


class SegmentWriter:
    """Collects staged parts in groups. A full group is written as a segment in a thread while the next one is
    collected; until the commit nothing names them. Groups are settled one after the other (copies, profiles, keys); the
    next one may be while one is written.

    In a sharded dataset every shard has segments of its own, and keys have segments beside them: copies are told before
    rows are split.
    """

    def __init__(self, writer: Writer, workspace: str, input: str, batch_keys: KeySet, event_keys: KeySet) -> None:
        self._writer, self._batch_keys, self._event_keys = writer, batch_keys, event_keys
        self._name = f"{writer.manifest.version + 1:08d}"
        constants = {"workspace": workspace, "input": input}
        self._sharded = bool(writer.manifest.shards)
        self._parts = [
            _Part(writer, store, self._name, constants, writer.manifest.part(number))
            for number, store in enumerate(writer.store.parts(writer.manifest))
        ]
        self._keys: dict[Path, dict[str, int]] = {}
        self._pending: list[Staged] = []
        self._collected, self._enough = 0, min(FIRST_EVENTS, GROUP_EVENTS)
        self._settling, self._writing = ThreadPoolExecutor(1), ThreadPoolExecutor(2)
        self._written: list[Future[list[Segment | None]]] = []
        """What became of each group, one entry a part."""
        self.events = self.duplicates = 0
        """Of the groups that were settled: events, and copies of events that were dropped."""

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settling.shutdown()
        self._writing.shutdown()
        for folder in (*(folder for part in self._parts for folder in part.folders), *self._keys):
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, staged: Staged) -> None:
        """Takes one part of a load; has a group that is full written. Waits until the one before it is."""
        self._pending.append(staged)
        self._collected += staged.size
        if self._collected >= self._enough:
            self._enough = min(2 * self._enough, GROUP_EVENTS)
            self._begin()
            for written in self._written[:-1]:
                written.result()

    def _begin(self) -> None:
        parts, self._pending, self._collected = self._pending, [], 0
        settled = self._settling.submit(self._settled, parts)
        self._written.append(self._writing.submit(self._write, settled))

    def _settled(self, parts: list[Staged]) -> _Settled:
        """The group of parts, which are taken from the list; saves the keys that came with it."""
        group = Group(parts)
        with ThreadPoolExecutor(1) as beside:
            numbered = beside.submit(self._numbered, group)
            group.fill(parts)
            group.drop_copies(self._event_keys)
            shares = numbered.result()
        self.events += group.events
        self.duplicates += group.duplicates
        with explained(self._writer.store.path, "written"):
            folders = [
                part.new_folder() if group.has_rows(share.mine) else None
                for part, share in zip(self._parts, shares, strict=True)
            ]
            self._save(folders[0])
        return _Settled(group, shares, folders)

    def _write(self, settled: Future[_Settled]) -> list[Segment | None]:
        """Writes a group. Profiles that were named without any row are known already: what they did was a copy."""
        group, shares, folders = settled.result()
        with explained(self._writer.store.path, "written"):
            return [
                None if folder is None else part.write(folder, group, share)
                for part, share, folder in zip(self._parts, shares, folders, strict=True)
            ]

    def _numbered(self, group: Group) -> list[_Share]:
        """What each part has of a group."""
        mpids, places = group.touched()
        # One more at the end: that of copies, at place -1.
        own = np.append(shard_of(mpids, len(self._parts)) if self._sharded else np.zeros(len(mpids), np.int64), -1)
        shares = []
        for number, part in enumerate(self._parts):
            some = np.flatnonzero(own == number)
            indexes, new = part.numbering.take(mpids[some])
            profile = np.zeros(len(own), np.uint32)
            profile[some] = indexes
            shares.append(_Share(profile[places], (own == number)[places] if self._sharded else None, new))
        return shares

    def _save(self, folder: Path | None) -> None:
        """Puts new keys into the folder of a group or, in a sharded dataset, into one of their own."""
        if not self._batch_keys.fresh and not self._event_keys.fresh:
            return
        if self._sharded:
            folder = self._writer.new_folder(f"{self._name}-{len(self._keys)}")
        if folder is None:  # all of it are copies: these keys are of the next group, which is being staged
            return
        saved = self._keys[folder] = {}
        for keys, name in ((self._batch_keys, BATCH_KEYS), (self._event_keys, EVENT_KEYS)):
            if count := keys.save(folder / name):
                saved[name.removesuffix(".npy")] = count

    def commit(self, manifest: Manifest, arrivals: int) -> int:
        """Commits every group as a segment; no commit when the manifest would not change. How many profiles the load
        touched.
        """
        if self._pending:
            self._begin()
        written = [each.result() for each in self._written]
        for number, part in enumerate(self._parts):
            segments = [segment for each in written if (segment := each[number]) is not None]
            manifest = manifest.with_part(number, part.finish(manifest.part(number), segments))
        manifest = replace(manifest, segments=self._with_keys(manifest.segments))
        if manifest != self._writer.manifest:
            self._writer.commit(replace(manifest, next_arrival=arrivals))
        for part in self._parts:
            part.folders = []
        self._keys = {}
        return sum(part.numbering.touched for part in self._parts)

    def _with_keys(self, segments: Sequence[Segment]) -> tuple[Segment, ...]:
        """Segments with the number of keys in their folders; in a sharded dataset those of keys come after them."""
        if self._sharded:
            return (*segments, *(Segment(folder.name, counts, None, None) for folder, counts in self._keys.items()))
        counts = {folder.name: each for folder, each in self._keys.items()}
        return tuple(
            replace(each, tables={**each.tables, **counts[each.name]}) if each.name in counts else each
            for each in segments
        )


@dataclass(frozen=True)
class _Share:
    """What a part has of a group: the index of each user's profile, which users are its own (None: all), and the
    rows of profiles that are new."""

    profile: npt.NDArray[np.uint32]
    mine: Mask | None
    new: pl.DataFrame


class _Settled(NamedTuple):
    """A group whose copies and profiles are known: what each part has of it, and the folder for that, if any."""

    group: Group
    shares: list[_Share]
    folders: list[Path | None]


class _Part:
    """The segments of one shard, or of a dataset without shards."""

    def __init__(
        self, writer: Writer, store: Store, name: str, constants: Mapping[str, str], manifest: Manifest
    ) -> None:
        self._writer, self._store, self._name, self._constants = writer, store, name, constants
        self.numbering = Numbering(store, manifest)
        self.folders: list[Path] = []

    def new_folder(self) -> Path:
        """The folder of its next segment."""
        self.folders.append(self._writer.new_folder(f"{self._name}-{len(self.folders)}", self._store))
        return self.folders[-1]

    def write(self, folder: Path, group: Group, share: _Share) -> Segment:
        """Writes the rows of a group that are this part's as a segment."""
        rows, moments = group.write(folder, share.profile, share.mine, self._constants)
        if len(share.new):
            write(share.new, folder / "profiles.parquet")
            rows = {"profiles": len(share.new), **rows}
        return Segment(folder.name, rows, min(moments, default=None), max(moments, default=None))

    def finish(self, manifest: Manifest, written: Sequence[Segment]) -> Manifest:
        """The part's manifest with every segment that was written."""
        return replace(manifest, segments=(*manifest.segments, *written), profiles=self.numbering.count)


def shard_of(mpids: Mpids, shards: int) -> npt.NDArray[np.int64]:
    """The shard of each mpid: a salted hash of it, the same for ever."""
    return (scatter(mpids.view(np.uint64) + _SHARD_SALT) >> np.uint64(1)).astype(np.int64) % shards
