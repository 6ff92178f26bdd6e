"""The checksums of Parquet files: bytes that changed on the disk are found before they are read as values.

Every page that we write carries the CRC-32 of its bytes. polars, which reads them, does not look at it, so it is done
here: for the columns and groups of rows that are about to be read, once in a process. The CRC-32 of the index at the
end of a file stands in the eight bytes before it, where no reader looks. Files without checksums, as earlier versions
wrote them, pass.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_LENGTH: Final = struct.Struct("<I4s")
"""How a file ends: the length of its index, and the magic."""

_SEAL: Final = struct.Struct("<4sI")
_SEALED: Final = b"CRCI"
"""What stands before the index: this, and the checksum of all that follows."""

_FILES: Final = 4096
"""So many files are remembered with what was checked of them."""

_SMALL: Final = 100
"""The index of a file with so many chunks is kept, too."""

_STOP, _I32, _BINARY, _LIST, _STRUCT = 0, 5, 8, 9, 12
_FIXED: Final = {1: 0, 2: 0, 3: 1, 7: 8}
"""Bytes of values of one width by their type: booleans have none of their own."""

_MOST: Final = 1 << 16
"""No list of a header is longer."""

_KIND, _SIZE, _COMPRESSED_SIZE, _CRC = 1, 2, 3, 4
"""Fields of a page's header (parquet.thrift)."""

_DICTIONARY: Final = 2
_PAGES: Final = {0: (5, 2), _DICTIONARY: (7, 2), 3: (8, 4)}
"""Kinds of pages (those of data are of two versions): the field that tells more of one, and the encoding in it."""

_VALUES: Final = 1
"""The number of values in it."""

_KNOWN: Final = {_KIND, _SIZE, _COMPRESSED_SIZE, *(field for field, _ in _PAGES.values())}

_ENCODINGS: Final = frozenset({0, 2, 3, 4, 5, 6, 7, 8, 9})


def is_whole(file: Path, columns: Collection[str] | None = None, rows: tuple[int, int] | None = None) -> bool:
    """Whether the index and the pages of columns (None: all) and rows (the first, and how many; None: all) are as they
    were written.

    OSError where the file cannot be read.
    """
    stat = file.stat()
    try:
        return _checked(file, stat.st_size, stat.st_mtime_ns, stat.st_ino).is_whole(columns, rows)
    except OSError as error:
        if error.errno is None:  # pyarrow's, of an index
            return False
        raise
    except (pa.ArrowException, ValueError, TypeError, IndexError, RecursionError):
        return False  # an index, or a page's header, that says nothing


def seal(file: Path) -> None:
    """Puts the checksum of a file's index before it."""
    with file.open("r+b") as opened:
        begin = _index(opened)
        index = opened.read()
        opened.seek(begin)
        opened.write(_SEAL.pack(_SEALED, zlib.crc32(index)) + index)


def _index_is_whole(file: Path) -> bool:
    with file.open("rb") as opened:
        begin = _index(opened)
        opened.seek(max(begin - _SEAL.size, 0))
        before, index = opened.read(min(begin, _SEAL.size)), opened.read()
    return not before.startswith(_SEALED) or before == _SEAL.pack(_SEALED, zlib.crc32(index))


def _index(opened: BinaryIO) -> int:
    """Where the index begins; there the file stands then. ValueError where that cannot be."""
    end = opened.seek(0, os.SEEK_END) - _LENGTH.size
    if end < 0:
        raise ValueError(end)
    opened.seek(end)
    begin = end - int(_LENGTH.unpack(opened.read())[0])
    if begin < 0:
        raise ValueError(begin)
    return opened.seek(begin)


@lru_cache(_FILES)
def _checked(file: Path, size: int, mtime_ns: int, inode: int) -> _Checked:
    return _Checked(file)


class _Checked:
    """One file, and which of its chunks (group of rows, column) were found whole."""

    def __init__(self, file: Path) -> None:
        self._file = file
        if not _index_is_whole(file):
            raise ValueError(file)
        about = pq.read_metadata(file)
        groups, columns = range(about.num_row_groups), range(about.num_columns)
        self._names = np.array([about.schema.column(at).path.partition(".")[0] for at in columns], np.str_)
        self._begins = np.cumsum([0, *(about.row_group(group).num_rows for group in groups)])
        self._whole = np.zeros((len(groups), len(columns)), np.bool_)
        self._about = about if self._whole.size <= _SMALL else None

    def is_whole(self, columns: Collection[str] | None, rows: tuple[int, int] | None) -> bool:
        """As the function of that name."""
        first, last = (0, self._begins[-1]) if rows is None else (rows[0], sum(rows))
        wanted = ~self._whole
        wanted &= ((self._begins[:-1] < last) & (self._begins[1:] > first))[:, None]
        if columns is not None:
            wanted &= np.isin(self._names, [*columns])
        if not wanted.any():
            return True
        about = self._about or pq.read_metadata(self._file)
        with self._file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for group, column in np.argwhere(wanted).tolist():
                chunk = about.row_group(group).column(column)
                begin = min(chunk.dictionary_page_offset or chunk.data_page_offset, chunk.data_page_offset)
                if not _pages_are_whole(data, begin, chunk):
                    return False
                self._whole[group, column] = True
        return True


def _pages_are_whole(data: mmap.mmap, begin: int, chunk: Any) -> bool:
    """Whether the pages of a chunk, from a place on, are those that its entry in the index and their headers tell."""
    end = begin + chunk.total_compressed_size
    values = size = 0
    with memoryview(data) as bytes_of:
        while begin < end:
            page: dict[int, Any] = {}
            at = _struct(data, begin, page)
            stop = at + page.get(_COMPRESSED_SIZE, end)
            field, encoding = _PAGES.get(page.get(_KIND, -1), (-1, -1))
            told = page.get(field, {})
            if not at <= stop <= end or told.get(encoding) not in _ENCODINGS:
                return False
            if _CRC not in page:
                return page.keys() <= _KNOWN
            with bytes_of[at:stop] as held:
                if zlib.crc32(held) != page[_CRC] & 0xFFFFFFFF:
                    return False
            values += 0 if page[_KIND] == _DICTIONARY else told.get(_VALUES, 0)
            size += at - begin + page.get(_SIZE, 0)
            begin = stop
    return bool(values == chunk.num_values and size == chunk.total_uncompressed_size)


def _struct(data: mmap.mmap, at: int, found: dict[int, Any]) -> int:
    """Where a struct of Thrift's compact protocol ends; its 32-bit numbers and structs go into `found`, by field."""
    field = 0
    while (head := data[at]) != _STOP:
        kind, step, at = head & 15, head >> 4, at + 1
        if step:
            field += step
        else:
            field, at = _signed(data, at)
        if kind == _I32:
            found[field], at = _signed(data, at)
        elif kind == _STRUCT:
            found[field] = {}
            at = _struct(data, at, found[field])
        else:
            at = _skipped(data, at, kind)
    return at + 1


def _skipped(data: mmap.mmap, at: int, kind: int) -> int:
    """Where a value ends."""
    if kind in _FIXED:
        return at + _FIXED[kind]
    if kind == _STRUCT:
        return _struct(data, at, {})
    if kind == _BINARY:
        size, at = _varint(data, at)
        return at + size
    if kind == _LIST:
        size, of = data[at] >> 4, data[at] & 15
        at += 1
        if size == 15:
            size, at = _varint(data, at)
        if size > _MOST:
            raise IndexError
        for _ in range(size):
            at = at + 1 if of in (1, 2) else _skipped(data, at, of)
        return at
    if kind not in (4, _I32, 6):
        raise IndexError
    return _varint(data, at)[1]


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _signed(data: mmap.mmap, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at
