"""A dataset on disk: immutable segment files and one manifest; swapping the manifest is the commit.

DIR/MANIFEST.json                 what belongs to the dataset, replaced atomically
DIR/.lock                         held by the one writer; readers never take it
DIR/.readers/<generation>         what readers hold, so that compaction removes nothing under their eyes
DIR/segments/<name>/<table>.parquet
DIR/segments/<name>/<keys>.npy    what de-duplication needs (core.data.keys)
DIR/shards/<number>/segments/...  the profiles of one shard and all that is known of them, in a sharded dataset
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NoReturn

import polars as pl
from filelock import FileLock, Timeout

from core.data.leases import Lease, is_held
from core.data.manifest import Manifest, Segment, Shard
from core.data.schema import EVENT_KINDS, NAMELESS_KINDS, TIERS, scan, there
from core.errors import CoreError, DatasetBusy, DatasetError

LOCK_SECONDS: Final = 30.0
"""How long a second writer waits before it gives up."""

_MANIFEST: Final = "MANIFEST.json"
_NEW_MANIFEST: Final = "MANIFEST.json.new"
CACHE: Final = "cache"
"""Beside the segments: for each a folder of what derives from it (`core.data.cache`)."""

_SEGMENTS: Final = "segments"
_LOCK: Final = ".lock"
_READERS: Final = ".readers"
_SHARDS: Final = "shards"
_OF_CREATE: Final = {_LOCK, _SEGMENTS, _READERS, _SHARDS, _NEW_MANIFEST}

MOST_SHARDS: Final = 1024

_CUT_SHORT: Final = re.compile(r"\d+ requested and \d+ written")
"""All that numpy says of a full disk."""


class Store:
    """A dataset's folder. Reading takes a manifest, so that one version can be read while later ones are written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def create(path: str | os.PathLike[str], shards: int | None = None) -> Store:
        """An empty dataset in a folder that is missing, empty or left by a `create` that was killed.

        Raises DatasetError if something is there.
        """
        if shards is not None and not 1 <= shards <= MOST_SHARDS:
            raise DatasetError(f"A dataset cannot have {shards} shards.", f"Use 1 to {MOST_SHARDS}.")
        folder = Path(path)
        store = Store(folder)
        with explained(folder, "created"):
            if folder.exists() and (not folder.is_dir() or set(os.listdir(folder)) - _OF_CREATE):
                raise DatasetError(f"Something is there already: {folder}.", "Choose an empty folder, or open it.")
            (folder / _SEGMENTS).mkdir(parents=True, exist_ok=True)
            with store._locked(LOCK_SECONDS):
                if (folder / _MANIFEST).exists():
                    raise DatasetError(f"Something is there already: {folder}.", "Choose an empty folder, or open it.")
                for number in range(shards or 0):
                    (store.shard(number).path / _SEGMENTS).mkdir(parents=True, exist_ok=True)
                store._swap(Manifest(shards=(Shard(),) * (shards or 0)))
        return store

    @staticmethod
    def open(path: str | os.PathLike[str]) -> Store:
        """The dataset at its newest version; raises DatasetError if none is there."""
        store = Store(Path(path))
        store.manifest()
        return store

    def manifest(self) -> Manifest:
        """The newest version."""
        try:
            text = (self.path / _MANIFEST).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DatasetError(f"There is no dataset in {self.path}.", "Create one, or check the path.") from error
        except OSError as error:
            raise DatasetError(f"The dataset in {self.path} cannot be read: {error.strerror}.") from error
        return Manifest.from_json(text)

    def held(self) -> tuple[Manifest, Lease]:
        """The newest version, and a lease under which its segments stay on disk."""
        while True:
            manifest = self.manifest()
            lease = Lease(self.path / _READERS / str(manifest.generation))
            # A compaction in between has retired segments of which nobody knew that they are read.
            if self.manifest().generation == manifest.generation:
                return manifest, lease
            lease.release()

    def shard(self, number: int, version: Manifest | None = None) -> Store:
        """The store of one shard, for reading: at the newest version, or at the given one of the whole dataset."""
        return ShardStore(self, number, version)

    def parts(self, manifest: Manifest) -> list[Store]:
        """Where the profiles of a version are: one store a shard, or this one."""
        return [self.shard(number, manifest) for number in range(len(manifest.shards))] or [self]

    def folder(self, segment: Segment) -> Path:
        """Where a segment's files are."""
        return self.path / _SEGMENTS / segment.name

    def files(
        self, table: str, manifest: Manifest | None = None, segments: Sequence[Segment] | None = None
    ) -> list[Path]:
        """The Parquet files that hold rows of the table, oldest segment first; DatasetError where one is gone."""
        among = (manifest or self.manifest()).segments if segments is None else segments
        return [self.file(segment, f"{table}.parquet") for segment in among if table in segment.tables]

    def file(self, segment: Segment, name: str) -> Path:
        """A file that a segment has; DatasetError where it is gone."""
        return there(self.folder(segment) / name)

    def read(
        self,
        table: str,
        manifest: Manifest | None = None,
        segments: Sequence[Segment] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pl.LazyFrame:
        """The table's rows at a version (the newest, unless given), with all columns (or some) even when there is no
        row."""
        return scan(table, self.files(table, manifest, segments), columns)

    @contextmanager
    def writing(self, wait_seconds: float | None = None) -> Iterator[Writer]:
        """The right to write, at the newest version; DatasetBusy when another process keeps it for 30 seconds."""
        with self._locked(LOCK_SECONDS if wait_seconds is None else wait_seconds):
            with explained(self.path, "written"):
                manifest = self._cleaned(self.manifest())
            yield Writer(self, manifest)

    def sweep(self) -> None:
        """Removes retired segments that nobody reads any more, as every writer does before it begins."""
        with self.writing():
            pass

    def change(self, edit: Callable[[Manifest], Manifest]) -> None:
        """Commits changed settings; an edit that changes nothing makes no new version."""
        with self.writing() as writer:
            edited = edit(writer.manifest)
            if edited != writer.manifest:
                writer.commit(edited)

    def set_event_tier(self, workspace: str, kind: str, name: str | None, tier: str) -> None:
        """Commits an event's tier; `personalize`, the default, removes the entry."""
        if tier not in TIERS:
            raise DatasetError(f"{tier!r} is no tier.", f"Use one of {', '.join(TIERS)}.")
        if kind not in EVENT_KINDS:
            raise DatasetError(f"{kind!r} is no kind of events.", f"Use one of {', '.join(EVENT_KINDS)}.")
        if (name is None) != (kind in NAMELESS_KINDS):
            named = "has names: say which" if name is None else "has no names: leave it out"
            raise DatasetError(f"The kind {kind} {named}.", "A tier is that of a kind and name.")

        def edit(manifest: Manifest) -> Manifest:
            settings = manifest.settings(workspace)
            tiers = {event: value for event, value in settings.tiers.items() if event != (kind, name)}
            if tier != "personalize":
                tiers[kind, name] = tier
            return manifest.with_workspace(workspace, replace(settings, tiers=tiers))

        self.change(edit)

    def set_calculated_attribute(self, workspace: str, name: str, document: Any | None) -> None:
        """Commits a calculated attribute, or its removal when the document is None."""

        def edit(manifest: Manifest) -> Manifest:
            settings = manifest.settings(workspace)
            known = {other: value for other, value in settings.calculated_attributes.items() if other != name}
            if document is not None:
                known[name] = document
            return manifest.with_workspace(workspace, replace(settings, calculated_attributes=known))

        self.change(edit)

    def set_profile_retention(self, days: float | None) -> None:
        """Commits after how many days without activity a profile leaves the universe; None = never."""
        self.change(lambda manifest: replace(manifest, profile_retention_days=days))

    @contextmanager
    def _locked(self, wait_seconds: float) -> Iterator[None]:
        lock = FileLock(self.path / _LOCK)
        try:
            with explained(self.path, "locked"):
                lock.acquire(timeout=wait_seconds, poll_interval=0.02)
        except Timeout as error:
            raise DatasetBusy(
                f"Another process is writing to {self.path}.", "Try again when its load has finished."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _cleaned(self, manifest: Manifest) -> Manifest:
        """Removes what nobody can open any more; what is left of the manifest.

        That are the folders which killed writers left, as no manifest, old or new, names them, and retired segments
        without a reader of their time.
        """
        leases = [file for file in _entries(self.path / _READERS) if file.name.isdecimal()]
        read = [int(file.name) for file in leases if is_held(file)]
        oldest = min(read, default=manifest.generation + 1)
        for number, store in enumerate(self.parts(manifest)):
            manifest = manifest.with_part(number, _swept(store.path, manifest.part(number), oldest))
        if manifest.shards:
            manifest = _swept(self.path, manifest, oldest)
        for file in leases:
            if int(file.name) < min(oldest, manifest.generation):
                file.unlink(missing_ok=True)
        return manifest

    def _swap(self, manifest: Manifest, folders: Sequence[Path] = ()) -> None:
        """Makes a manifest the truth once it and the files of new folders are on disk (decision 25)."""
        readers = self.path / _READERS / str(manifest.generation)
        if not readers.exists():
            readers.parent.mkdir(exist_ok=True)
            readers.touch()
        temporary = self.path / _NEW_MANIFEST
        temporary.write_bytes(manifest.to_json())
        files = [Path(entry) for folder in folders for entry in os.scandir(folder)]
        _sync([temporary, *files, *folders, *dict.fromkeys(folder.parent for folder in folders)])
        os.replace(temporary, self.path / _MANIFEST)
        _sync([self.path])


class Writer:
    """What the holder of the write lock may do: make folders for new segments, then commit them."""

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self.store, self.manifest = store, manifest
        self._folders: list[Path] = []

    def new_folder(self, name: str, part: Store | None = None) -> Path:
        """An empty folder beside the segments of a part; until a commit names it, it is none, and goes at the next."""
        folder = (part or self.store).path / _SEGMENTS / name
        with explained(self.store.path, "written"):
            folder.mkdir()
        self._folders.append(folder)
        return folder

    def adopt(self, folder: Path, name: str, part: Store) -> None:
        """Takes a folder that was filled elsewhere on the same disk as that of a new segment of a part."""
        target = part.path / _SEGMENTS / name
        with explained(self.store.path, "written"):
            folder.rename(target)
        self._folders.append(target)

    def commit(self, manifest: Manifest) -> None:
        """Makes the manifest the newest version, one later than the last, and all new folders durable."""
        with explained(self.store.path, "written"):
            self.manifest = replace(manifest, version=self.manifest.version + 1)
            self.store._swap(self.manifest, self._folders)
        self._folders = []


class ShardStore(Store):
    """One shard of a dataset as a store of its own, for reading. Its whole writes it."""

    def __init__(self, whole: Store, number: int, version: Manifest | None = None) -> None:
        """`version`: the manifest of the whole to read, the newest unless given."""
        super().__init__(whole.path / _SHARDS / f"{number:04d}")
        self._whole, self._number, self._version = whole, number, version

    def manifest(self) -> Manifest:
        """The version, as the manifest of an ordinary dataset."""
        return (self._version or self._whole.manifest()).part(self._number)

    def held(self) -> tuple[Manifest, Lease]:
        """The version and a lease; where a version was given, whoever gave it holds one as well."""
        manifest, lease = self._whole.held()
        return (self._version or manifest).part(self._number), lease

    def writing(self, wait_seconds: float | None = None) -> NoReturn:
        """Not to be had: DatasetError."""
        raise DatasetError(f"{self.path} is one shard of a dataset.", f"Write to {self._whole.path}.")


def _swept(path: Path, manifest: Manifest, oldest: int) -> Manifest:
    """Removes folders of segments that readers of generation `oldest` and later ones cannot open."""
    kept = tuple(retired for retired in manifest.retired if retired.generation >= oldest)
    known = {*(segment.name for segment in manifest.segments), *(retired.name for retired in kept)}
    for folder in _entries(path / _SEGMENTS):
        if folder.name not in known:
            shutil.rmtree(folder)
    for folder in _entries(path / CACHE):
        if folder.name not in known:
            shutil.rmtree(folder, ignore_errors=True)  # nothing depends on it
    return replace(manifest, retired=kept)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _sync(paths: Sequence[Path]) -> None:
    """Waits until files and folders are on disk; together, so that a file system can write them at one go."""
    if len(paths) == 1:
        _sync_one(paths[0])
        return
    with ThreadPoolExecutor(min(len(paths), 8)) as pool:
        list(pool.map(_sync_one, paths))


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def explained(folder: Path, done: str) -> Iterator[None]:
    """Turns what the file system refuses, or polars when the file system refused it, into a DatasetError."""
    try:
        yield
    except (CoreError, Timeout):
        raise
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error).partition("\n")[0]
        if _CUT_SHORT.fullmatch(reason):
            reason = "the disk takes no more"
        raise DatasetError(
            f"The dataset in {folder} cannot be {done}: {reason}.", "Check the disk and its permissions."
        ) from error
