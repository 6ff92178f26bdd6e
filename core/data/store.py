"""A dataset on disk: immutable segment files and one manifest; swapping the manifest is the commit.

DIR/MANIFEST.json                 what belongs to the dataset, replaced atomically
DIR/.lock                         held by the one writer; readers never take it
DIR/.readers/<generation>         what readers hold, so that compaction removes nothing under their eyes
DIR/segments/<name>/<table>.parquet
DIR/segments/<name>/<keys>.npy    what de-duplication needs (core.data.keys)
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
from filelock import FileLock, Timeout

from core.data.schema import FORMAT, TABLES, TIERS
from core.errors import CoreError, DatasetBusy, DatasetError, DatasetTooNew

LOCK_SECONDS: Final = 30.0
"""How long a second writer waits before it gives up."""

INPUT_KINDS: Final = ("platform", "feed")

_MANIFEST: Final = "MANIFEST.json"
_NEW_MANIFEST: Final = "MANIFEST.json.new"
_SEGMENTS: Final = "segments"
_LOCK: Final = ".lock"
_READERS: Final = ".readers"
_OF_CREATE: Final = {_LOCK, _SEGMENTS, _READERS, _NEW_MANIFEST}


@dataclass(frozen=True)
class Segment:
    """The files of one load (or of one part of a big load): rows by table; times in UTC ms, None without any."""

    name: str
    tables: Mapping[str, int]
    first_ms: int | None
    last_ms: int | None


@dataclass(frozen=True)
class Retired:
    """A segment that was merged into another one; readers of this generation and earlier ones may still open it."""

    name: str
    generation: int


@dataclass(frozen=True)
class Workspace:
    """A workspace's settings: inputs with their kind, event tiers by (kind, name), calculated attributes by name."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[tuple[str, str | None], str] = field(default_factory=dict)
    calculated_attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """One version of a dataset. `profiles` and `next_arrival` are the next free profile index and arrival number.

    `generation` counts compactions; `retired` are the segments that they replaced and that are still on disk.
    """

    version: int = 1
    segments: tuple[Segment, ...] = ()
    profiles: int = 0
    next_arrival: int = 0
    workspaces: Mapping[str, Workspace] = field(default_factory=dict)
    profile_retention_days: float | None = None
    generation: int = 0
    retired: tuple[Retired, ...] = ()

    def with_workspace(self, name: str, workspace: Workspace) -> Manifest:
        """The same with that workspace's settings."""
        return replace(self, workspaces={**self.workspaces, name: workspace})

    def settings(self, workspace: str) -> Workspace:
        """A workspace's settings; DatasetError if the dataset has no such workspace."""
        if workspace not in self.workspaces:
            known = ", ".join(self.workspaces) or "none yet"
            raise DatasetError(
                f"The dataset has no workspace {workspace!r}.", f"Known: {known}. Load data into it first."
            )
        return self.workspaces[workspace]

    def with_input(self, workspace: str, input: str, kind: str) -> Manifest:
        """The same with that input; DatasetError for a name or kind that cannot be, or an input of the other kind."""
        for label, name in (("workspace", workspace), ("input", input)):
            if not isinstance(name, str) or not name.strip() or "/" in name or not name.isprintable():
                raise DatasetError(f"{name!r} cannot name the {label}.", "Use a printable text without '/'.")
        if kind not in INPUT_KINDS:
            raise DatasetError(f"{kind!r} is no kind of input.", f"Use one of {', '.join(INPUT_KINDS)}.")
        settings = self.workspaces.get(workspace, Workspace())
        known = settings.inputs.get(input, kind)
        if known != kind:
            raise DatasetError(
                f"Input {input!r} of {workspace!r} is a {known}, not a {kind}.", "Use another input name."
            )
        return self.with_workspace(workspace, replace(settings, inputs={**settings.inputs, input: kind}))

    def to_json(self) -> bytes:
        """As written to disk."""
        document = {
            "format": FORMAT,
            "version": self.version,
            "segments": [vars(segment) for segment in self.segments],
            "profiles": self.profiles,
            "next_arrival": self.next_arrival,
            "workspaces": {name: _workspace_document(workspace) for name, workspace in self.workspaces.items()},
            "profile_retention_days": self.profile_retention_days,
            "generation": self.generation,
            "retired": [vars(retired) for retired in self.retired],
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2)

    @staticmethod
    def from_json(text: bytes) -> Manifest:
        """Raises DatasetTooNew for a later format, DatasetError for anything that is no manifest."""
        try:
            document = orjson.loads(text)
            if document["format"] > FORMAT:
                raise DatasetTooNew(
                    f"The dataset has format {document['format']}; this program reads up to {FORMAT}.",
                    "Open it with a newer version of the program.",
                )
            return Manifest(
                version=document["version"],
                segments=tuple(Segment(**segment) for segment in document["segments"]),
                profiles=document["profiles"],
                next_arrival=document["next_arrival"],
                workspaces={name: _workspace(entry) for name, entry in document["workspaces"].items()},
                profile_retention_days=document["profile_retention_days"],
                generation=document.get("generation", 0),
                retired=tuple(Retired(**retired) for retired in document.get("retired", ())),
            )
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{_MANIFEST} is damaged: {error}.", "Restore it from a backup.") from error


def _workspace_document(workspace: Workspace) -> dict[str, Any]:
    tiers = [{"kind": kind, "name": name, "tier": tier} for (kind, name), tier in workspace.tiers.items()]
    return {
        "inputs": dict(workspace.inputs),
        "tiers": tiers,
        "calculated_attributes": dict(workspace.calculated_attributes),
    }


def _workspace(document: dict[str, Any]) -> Workspace:
    tiers = {(entry["kind"], entry["name"]): entry["tier"] for entry in document["tiers"]}
    return Workspace(document["inputs"], tiers, document["calculated_attributes"])


class Store:
    """A dataset's folder. Reading takes a manifest, so that one version can be read while later ones are written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def create(path: str | os.PathLike[str]) -> Store:
        """An empty dataset in a folder that is missing, empty or left by a `create` that was killed.

        Raises DatasetError if something is there.
        """
        folder = Path(path)
        store = Store(folder)
        with explained(folder, "created"):
            if folder.exists() and (not folder.is_dir() or set(os.listdir(folder)) - _OF_CREATE):
                raise DatasetError(f"Something is there already: {folder}.", "Choose an empty folder, or open it.")
            (folder / _SEGMENTS).mkdir(parents=True, exist_ok=True)
            with store._locked(LOCK_SECONDS):
                if (folder / _MANIFEST).exists():
                    raise DatasetError(f"Something is there already: {folder}.", "Choose an empty folder, or open it.")
                store._swap(Manifest())
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

    def folder(self, segment: Segment) -> Path:
        """Where a segment's files are."""
        return self.path / _SEGMENTS / segment.name

    def files(
        self, table: str, manifest: Manifest | None = None, segments: Sequence[Segment] | None = None
    ) -> list[Path]:
        """The Parquet files that hold rows of the table, oldest segment first."""
        among = (manifest or self.manifest()).segments if segments is None else segments
        return [self.folder(segment) / f"{table}.parquet" for segment in among if table in segment.tables]

    def read(
        self, table: str, manifest: Manifest | None = None, segments: Sequence[Segment] | None = None
    ) -> pl.LazyFrame:
        """The table's rows at a version (the newest, unless given), with all columns even when there is no row."""
        files = self.files(table, manifest, segments)
        return pl.scan_parquet(files, glob=False) if files else pl.LazyFrame(schema=TABLES[table])

    @contextmanager
    def writing(self, wait_seconds: float | None = None) -> Iterator[Writer]:
        """The right to write, at the newest version; DatasetBusy when another process keeps it for 30 seconds."""
        with self._locked(LOCK_SECONDS if wait_seconds is None else wait_seconds):
            with explained(self.path, "written"):
                manifest = self._cleaned(self.manifest())
            yield Writer(self, manifest)

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
        read = [int(file.name) for file in leases if _is_held(file)]
        oldest = min(read, default=manifest.generation + 1)
        kept = tuple(retired for retired in manifest.retired if retired.generation >= oldest)
        known = {*(segment.name for segment in manifest.segments), *(retired.name for retired in kept)}
        for folder in _entries(self.path / _SEGMENTS):
            if folder.name not in known:
                shutil.rmtree(folder)
        for file in leases:
            if int(file.name) < min(oldest, manifest.generation):
                file.unlink(missing_ok=True)
        return replace(manifest, retired=kept)

    def _swap(self, manifest: Manifest, folders: Sequence[Path] = ()) -> None:
        """Makes a manifest the truth once it and the files of new folders are on disk (decision 30)."""
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

    def new_folder(self, name: str) -> Path:
        """An empty folder beside the segments; until a commit names it, it is none and the next writer removes it."""
        folder = self.store.path / _SEGMENTS / name
        with explained(self.store.path, "written"):
            folder.mkdir()
        self._folders.append(folder)
        return folder

    def adopt(self, folder: Path, name: str) -> None:
        """Takes a folder that was filled elsewhere on the same disk as that of a new segment."""
        target = self.store.path / _SEGMENTS / name
        with explained(self.store.path, "written"):
            folder.rename(target)
        self._folders.append(target)

    def commit(self, manifest: Manifest) -> None:
        """Makes the manifest the newest version, one later than the last, and all new folders durable."""
        with explained(self.store.path, "written"):
            self.manifest = replace(manifest, version=self.manifest.version + 1)
            self.store._swap(self.manifest, self._folders)
        self._folders = []


class Lease:
    """What a reader holds of a generation while it lives; the system takes it back when the process ends."""

    def __init__(self, file: Path) -> None:
        """Without a file, as in a copy of a dataset that nobody writes, there is nothing to hold."""
        self._descriptor: int | None = None
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            self._descriptor = os.open(file, os.O_RDONLY)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Gives it back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.release()


def _is_held(file: Path) -> bool:
    """Whether a reader holds a lease of that file."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


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
    """Turns what the file system refuses into a DatasetError."""
    try:
        yield
    except (CoreError, Timeout):
        raise
    except OSError as error:
        raise DatasetError(
            f"The dataset in {folder} cannot be {done}: {error.strerror or error}.",
            "Check the disk and its permissions.",
        ) from error
