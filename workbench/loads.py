"""Loads as the command line and the worker do them: which files, into which dataset, how far."""

from __future__ import annotations

import glob
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from core import CoreError, Dataset, DatasetError, InputError, LoadReport

_SUFFIXES: Final = {
    "mparticle": (".json", ".jsonl", ".ndjson"),
    "segment": (".json", ".jsonl", ".ndjson"),
    "csv": (".csv", ".tsv", ".txt"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather", ".ipc"),
}
FORMATS: Final = tuple(_SUFFIXES)
_GUESSED: Final = {suffix: name for name, all_of in _SUFFIXES.items() if name != "segment" for suffix in all_of}


class UnknownFormat(CoreError):
    """The names of the files tell no one format."""


def sources(texts: Sequence[str], said: str | None) -> tuple[str, list[Path]]:
    """The format and the files of what was named. InputError: nothing there; UnknownFormat: none can be guessed."""
    suffixes = _SUFFIXES[said] if said is not None else tuple(_GUESSED)
    files = list({os.path.realpath(path): path for text in texts for path in _found(text, suffixes)}.values())
    if said is not None:
        return said, files
    formats = {_GUESSED.get(_suffix(path)): path for path in files}
    if None in formats:
        raise UnknownFormat(f"{formats[None]}: its name tells no format.", f"Say --format {'|'.join(FORMATS)}.")
    if len(formats) > 1:
        raise UnknownFormat(
            f"--format: the files are {' and '.join(sorted(filter(None, formats)))}.", "Import one at a time."
        )
    return str(next(iter(formats))), files


def _suffix(path: Path) -> str:
    plain = Path(path.stem) if path.suffix.lower() in (".gz", ".zst") else path
    return plain.suffix.lower()


def _found(text: str, suffixes: tuple[str, ...]) -> list[Path]:
    """A file, the files of those endings below a folder, or what a pattern matches; sorted."""
    path = Path(text)
    try:
        if path.is_file():
            return [path]
        if path.is_dir():
            found = sorted(each for each in path.rglob("*") if each.is_file() and _suffix(each) in suffixes)
        else:
            found = sorted(each for each in map(Path, glob.glob(text, recursive=True)) if each.is_file())
    except (OSError, ValueError) as error:
        raise InputError(f"{text}: cannot be read: {error}.") from None
    if not found:
        what = "there is no such file"
        if path.is_dir():
            what = f"there are no files ending in {', '.join(suffixes)} here"
        elif path.exists():
            what = "a pipe or device cannot be read twice, as an import does"
        raise InputError(f"{text}: {what}.", "Give a file, a folder or a pattern.")
    return found


@contextmanager
def opened(path: Path, shards: int | None = None) -> Iterator[Dataset]:
    """The dataset of a folder, made where there is none; what was made goes again if the block fails."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    made = False
    try:
        with _undisturbed():
            dataset, made = _made_or_opened(path, shards)
        yield dataset
    except BaseException:
        # Somebody else may have loaded into it meanwhile.
        if made and Dataset.open(path).version == dataset.version:
            _remove(path, missing)
        raise


def _made_or_opened(path: Path, shards: int | None) -> tuple[Dataset, bool]:
    """The dataset of a folder, and whether it was made."""
    try:
        return Dataset.create(path, shards=shards), True
    except DatasetError:
        dataset = Dataset.open(path)
    if shards is not None and shards != dataset.shard_count:
        raise CoreError(f"--shards: the dataset has {dataset.shard_count or 'none'}.", "Only a new one can be split.")
    return dataset, False


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A request to end waits until the block is over, so that what the block makes is known to be made."""
    if threading.current_thread() is not threading.main_thread():
        yield  # requests are told to the main thread only
        return
    asked: list[int] = []
    numbers = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None))]
    before = {number: signal.signal(number, lambda number, frame: asked.append(number)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if asked:
            signal.raise_signal(asked[0])


def _remove(path: Path, missing: list[Path]) -> None:
    for each in path.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        else:
            each.unlink()
    for each in missing:
        if not any(each.iterdir()):
            each.rmdir()


def load_into(
    dataset: Dataset,
    *,
    format: str,
    files: Sequence[Path],
    mapping: Any,
    workspace: str,
    input: str,
    kind: str | None,
    environment: str,
    received_at: datetime,
    progress: Callable[[int, int | None], None],
    processes: int = 1,
) -> LoadReport:
    """Load files of one format into an input; a `kind` of None is the input's own, platform for a new one."""
    known = dataset.workspaces.get(workspace)
    chosen = kind or (known.inputs.get(input) if known else None) or "platform"
    common: dict[str, Any] = {"workspace": workspace, "input": input, "kind": chosen}
    common |= {"received_at": received_at, "progress": progress}
    if mapping is not None:
        return dataset.load_table(files, mapping, **common)
    if format == "segment":
        return dataset.load_segment(files, **common)
    chosen_environment: Any = environment
    geoip = os.environ.get("WORKBENCH_GEOIP") or None
    return dataset.load_batches(files, environment=chosen_environment, geoip=geoip, processes=processes, **common)
