"""Files, folders and globs of JSON, plain or compressed, as a stream of documents with the place where each stood."""

from __future__ import annotations

import gc
import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from glob import glob
from itertools import chain, groupby, starmap
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import orjson
import zstandard

from core.errors import InputError

_SUFFIXES: Final = (".json", ".jsonl", ".ndjson", ".txt")
_PACKED: Final = (".gz", ".zst")
_BLOCK_BYTES: Final = 256 << 10
_BLOCK_DOCUMENTS: Final = 1000
_WHOLE_BYTES: Final = 256 << 20
"""Files up to this size may hold one JSON value over several lines; longer ones hold one a line."""


@dataclass(frozen=True, slots=True)
class Broken:
    """What stood where a document should have been, and why it is none."""

    reason: str


class Found(NamedTuple):
    """A document (any JSON value, or Broken), its source, its line (from 1) and its place in an array on that line."""

    source: str
    line: int | None
    document: Any
    item: int | None = None


def files_of(path: str | os.PathLike[str]) -> list[Path]:
    """The files that a path, folder (searched to the bottom for JSON files) or glob stands for, in order of name.

    Raises InputError when there is none.
    """
    place = Path(path)
    with readable(str(path)):
        if place.is_dir():
            every = sorted(file for file in place.rglob("*") if file.is_file() and not file.name.startswith("."))
            files = [file for file in every if _is_json(file.name)]
            if not files:
                raise InputError(f"The folder {place} holds no JSON files.", f"They end in {', '.join(_SUFFIXES)}.")
            return files
        if place.exists():
            return [place]
    files = [Path(name) for name in sorted(glob(str(path), recursive=True)) if Path(name).is_file()]
    if not files:
        raise InputError(f"No such file: {path}.", "Check the path.")
    return files


def _is_json(name: str) -> bool:
    name = name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return name.endswith(_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Block:
    """Some documents of a source one after the other: whole lines, not parsed yet, from a number on, or documents."""

    source: str
    text: bytes = b""
    first: int = 1
    parsed: list[Found] = field(default_factory=list)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines that hold something, with their numbers."""
        for number, line in enumerate(io.BytesIO(self.text), start=self.first):
            if text := line.strip():
                yield number, text

    def documents(self) -> Iterator[Found]:
        """The documents, parsed now."""
        yield from self.parsed
        for number, text in self.lines():
            yield from documents_in(self.source, number, text)


def documents_in(source: str, number: int, text: bytes) -> Iterator[Found]:
    """The documents of a line: one, or those of an array."""
    value = _parsed(text)
    if type(value) is list:
        yield from _items(source, number, value)
    else:
        yield Found(source, number, value)


def blocks(
    sources: Iterable[Any],
    heard: Callable[[int], None] | None,
    size: int,
    most: int,
    weigh: Callable[[Any], int] = lambda _: 1,
) -> Iterator[Block]:
    """Every document of an iterable of documents (dicts, or `Found` elsewhere) and paths, in order, in blocks.

    A block of lines ends at `size` bytes, one of documents (also of an array in a file) once they weigh `most`.
    `heard` gets the number of bytes read of files since it was last called.

    Raises InputError for a file that cannot be read to its end.
    """
    for are_paths, some in groupby(enumerate(sources, start=1), lambda each: isinstance(each[1], str | os.PathLike)):
        if are_paths:
            for file in chain.from_iterable(files_of(path) for _, path in some):
                yield from _of_file(file, heard, size, most, weigh)
        else:
            yield from _bounded("", starmap(_found, some), most, weigh)


def _found(number: int, source: Any) -> Found:
    return source if isinstance(source, Found) else Found("batches", number, source)


def _bounded(source: str, found: Iterable[Found], most: int, weigh: Callable[[Any], int]) -> Iterator[Block]:
    """Documents, so many at a time that they weigh `most`."""
    held: list[Found] = []
    weight = 0
    for each in found:
        held.append(each)
        weight += weigh(each.document)
        if weight >= most:
            yield Block(source, parsed=held)
            held, weight = [], 0
    if held:
        yield Block(source, parsed=held)


def documents(sources: Iterable[Any], heard: Callable[[int], None] | None = None) -> Iterator[Found]:
    """Every document of an iterable of documents (dicts, or `Found` elsewhere) and paths, in order; see `blocks`."""
    for block in blocks(sources, heard, _BLOCK_BYTES, _BLOCK_DOCUMENTS):
        yield from block.documents()


def _of_file(
    file: Path, heard: Callable[[int], None] | None, size: int, most: int, weigh: Callable[[Any], int]
) -> Iterator[Block]:
    source = str(file)
    with readable(source), file.open("rb") as raw:
        before = 0
        whole = _whole(file)
        if whole is not None:
            yield from _bounded(source, _items(source, *whole), most, weigh)
        else:
            for block in _line_blocks(source, unpacked(raw), size):
                if len(block.text) > 2 * size:  # its last line is long, an array perhaps
                    yield from _bounded(source, block.documents(), most, weigh)
                else:
                    yield block
                if heard is not None:
                    here = raw.tell()
                    heard(here - before)
                    before = here
        if heard is not None:
            heard(os.path.getsize(file) - before)


def _line_blocks(source: str, file: BinaryIO, size: int) -> Iterator[Block]:
    """Whole lines, about `size` bytes at a time."""
    first = 1
    while text := file.read(size):
        text += file.readline()
        yield Block(source, text.removeprefix(b"\xef\xbb\xbf") if first == 1 else text, first)
        first += text.count(b"\n")


def _whole(file: Path) -> tuple[int, Any] | None:
    """The one JSON value that a file holds over several lines, with its first line; None if it holds one a line."""
    with file.open("rb") as raw:
        data = unpacked(raw)
        number, head = 1, data.readline().removeprefix(b"\xef\xbb\xbf")
        while head and not head.strip():
            number, head = number + 1, data.readline()
        if head.lstrip()[:1] not in (b"{", b"[") or not isinstance(_parsed(head), Broken):
            return None
        rest = data.read(_WHOLE_BYTES + 1)
    if len(rest) > _WHOLE_BYTES:
        return None
    value = _parsed(head + rest)
    return None if isinstance(value, Broken) else (number, value)


def _items(source: str, line: int, value: Any) -> Iterator[Found]:
    if isinstance(value, list):
        for item, document in enumerate(value, start=1):
            yield Found(source, line, document, item)
    else:
        yield Found(source, line, value)


@contextmanager
def collector_paused() -> Iterator[None]:
    """JSON holds no cycles: the collector of cycles would only walk through all of it again and again."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _parsed(text: bytes) -> Any:
    try:
        if len(text) < _BLOCK_BYTES:
            return orjson.loads(text)
        with collector_paused():
            return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        reason = str(error)
    try:
        text.decode()
    except UnicodeDecodeError:
        return Broken("The line is not valid UTF-8.")
    return Broken(f"The line is not valid JSON: {reason}.")


def unpacked(raw: BinaryIO) -> BinaryIO:
    """The content of a file, by its first bytes and not by its name."""
    magic = raw.read(4)
    raw.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 20)
    if magic == zstandard.FRAME_HEADER:
        return io.BufferedReader(_Zstd(raw), 1 << 20)
    return raw


class _Zstd(io.RawIOBase):
    """One or more zstd frames; unlike the library's reader it does not take a truncated file for a whole one."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._ready = b""
        self._fresh = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            packed = self._frame.unused_data if self._frame.eof else b""
            packed = packed or self._raw.read(1 << 18)
            if not packed:
                if not (self._frame.eof or self._fresh):
                    raise EOFError("the file ends inside a compressed frame")
                return 0
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._fresh = False
            self._ready = self._frame.decompress(packed)
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


@contextmanager
def readable(source: str) -> Iterator[None]:
    """Turns what cannot be read into an InputError that names the source."""
    try:
        yield
    except InputError:
        raise
    except (EOFError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile) as error:
        raise InputError(f"{source} is damaged or truncated: {error}.", "Fetch the file again.") from error
    except FileNotFoundError as error:
        raise InputError(f"No such file: {source}.", "Check the path.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read: {error}.", "Check the path and its permissions.") from error
