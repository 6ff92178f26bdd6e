"""From staged rows to segments: groups of parts written one after the other, one commit at the end."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final

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
GROUP_EVENTS: Final = 4_000_000
"""A load above this many events is written as several segments, so that memory stays bounded."""

FIRST_EVENTS: Final = 1_000_000
"""The first group of a load is smaller, and each at most twice as big as the one before: writing begins early."""

_SHARD_SALT: Final = np.uint64(0x5851F42D4C957F2D)


class SegmentWriter:
    """Collects staged parts in groups. A full group is written as a segment in a thread while the next one is
    collected; until the commit nothing names them.

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
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self.events = self.duplicates = 0
        """Of the groups that were written: events, and copies of events that were dropped."""

    def __enter__(self) -> SegmentWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        for folder in (*(folder for part in self._parts for folder in part.folders), *self._keys):
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, staged: Staged) -> None:
        """Takes one part of a load; has a group that is full written."""
        self._pending.append(staged)
        self._collected += staged.events
        if self._collected >= self._enough:
            self._enough = min(2 * self._enough, GROUP_EVENTS)
            self._wait()
            parts, self._pending, self._collected = self._pending, [], 0
            self._writing = self._thread.submit(self._write, parts)

    def _wait(self) -> None:
        if self._writing is not None:
            self._writing.result()

    def _write(self, parts: list[Staged]) -> None:
        """Writes a group, which is taken from the list, and the keys that came with it."""
        if not parts:
            return
        group = Group(parts)
        with ThreadPoolExecutor(1) as beside:
            numbered = beside.submit(self._numbered, group)
            group.fill(parts)
            group.drop_copies(self._event_keys)
            shares = numbered.result()
            self.events += group.events
            self.duplicates += group.duplicates
            with explained(self._writer.store.path, "written"):
                for part, share in zip(self._parts, shares, strict=True):
                    part.write(group, share)
        self._save()

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

    def _save(self) -> None:
        """Puts new keys into the folder of the newest group or, in a sharded dataset, into one of their own."""
        counts = {"batch_keys": self._batch_keys.fresh, "event_keys": self._event_keys.fresh}
        if not any(counts.values()):
            return
        if self._sharded:
            folder = self._writer.new_folder(f"{self._name}-{len(self._keys)}")
        else:
            folder = self._parts[0].folders[-1]
        self._keys[folder] = {name: count for name, count in counts.items() if count}
        with explained(self._writer.store.path, "written"):
            self._batch_keys.save(folder / BATCH_KEYS)
            self._event_keys.save(folder / EVENT_KEYS)

    def commit(self, manifest: Manifest, arrivals: int) -> int:
        """Commits every group as a segment; no commit when the manifest would not change. How many profiles the load
        touched.
        """
        self._wait()
        self._write(self._pending)
        for number, part in enumerate(self._parts):
            manifest = manifest.with_part(number, part.finish(manifest.part(number)))
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


class _Part:
    """The segments of one shard, or of a dataset without shards."""

    def __init__(
        self, writer: Writer, store: Store, name: str, constants: Mapping[str, str], manifest: Manifest
    ) -> None:
        self._writer, self._store, self._name, self._constants = writer, store, name, constants
        self._segments: list[Segment] = []
        self.numbering = Numbering(store, manifest)
        self.folders: list[Path] = []

    def write(self, group: Group, share: _Share) -> None:
        """Writes the rows of a group that are this part's as a segment.

        Profiles that were named without any row are known already: what they did was a copy.
        """
        if not group.has_rows(share.mine):
            return
        folder = self._writer.new_folder(f"{self._name}-{len(self.folders)}", self._store)
        self.folders.append(folder)
        rows, moments = group.write(folder, share.profile, share.mine, self._constants)
        if len(share.new):
            write(share.new, folder / "profiles.parquet")
            rows = {"profiles": len(share.new), **rows}
        self._segments.append(Segment(folder.name, rows, min(moments, default=None), max(moments, default=None)))

    def finish(self, manifest: Manifest) -> Manifest:
        """The part's manifest with every segment that was written."""
        segments = (*manifest.segments, *self._segments)
        return replace(manifest, segments=segments, profiles=self.numbering.count)


def shard_of(mpids: Mpids, shards: int) -> npt.NDArray[np.int64]:
    """The shard of each mpid: a salted hash of it, the same for ever."""
    return (scatter(mpids.view(np.uint64) + _SHARD_SALT) >> np.uint64(1)).astype(np.int64) % shards
