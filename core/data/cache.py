"""The column cache: arrays derived from the durable Parquet, memory-mapped. It may be lost, stale or damaged.

A bundle is one file: magic, header (what it was derived from, its arrays, their checksum), then the arrays, aligned.
Whatever does not fit (another source, another format, a wrong size or checksum) is made again from the Parquet.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import orjson
import xxhash

from core.data.letters import Arrays

MAGIC: Final = b"WBCOLS02"
LEAST_ROWS: Final = 10_000
"""Smaller bundles are made faster than they are read."""

_ALIGN: Final = 64


class Cache:
    """Bundles of arrays in a folder, by name. Readers of one dataset share it; writing is atomic."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def bundle(self, name: str, source: str, rows: int, make: Callable[[], Arrays]) -> Arrays:
        """The arrays that `make` gives; kept on disk when `rows` are worth it. `source` names what they derive from."""
        if rows < LEAST_ROWS:
            return make()
        known = self.kept(name, lambda kept: kept == source)
        return known[1] if known is not None else self.keep(name, source, rows, make())

    def kept(self, name: str, serves: Callable[[str], bool]) -> tuple[str, Arrays] | None:
        """What the arrays of a name derive from, and they, mapped; None where they are missing or damaged, or where
        what they derive from does not serve."""
        return _read(self._file(name), f"{name}\n", serves)

    def keep(self, name: str, source: str, rows: int, arrays: Arrays) -> Arrays:
        """The arrays, which are written when `rows` are worth it, and then mapped: the system takes back the pages of a
        file, but none of the heap."""
        if rows < LEAST_ROWS:
            return arrays
        arrays = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
        _write(self._file(name), f"{name}\n{source}", arrays)
        written = self.kept(name, lambda kept: kept == source)
        return arrays if written is None else written[1]

    def _file(self, name: str) -> Path:
        return self.folder / f"{xxhash.xxh3_64_hexdigest(name.encode())}.columns"


def _read(file: Path, name: str, serves: Callable[[str], bool]) -> tuple[str, Arrays] | None:
    """What a file's arrays derive from, behind their `name`, and they, mapped; None where it is missing or damaged, of
    another name, or where its source does not serve."""
    try:
        with file.open("rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        if mapped[:8] != MAGIC:
            return None
        begin = 16 + int.from_bytes(mapped[8:16], "little")
        header = orjson.loads(mapped[16:begin])
        data = memoryview(mapped)[_aligned(begin) :]
        source = str(header["source"])
        if not source.startswith(name) or not serves(source.removeprefix(name)) or header["size"] != len(data):
            return None
        if header["checksum"] != xxhash.xxh3_64_hexdigest(data):
            return None
        return source.removeprefix(name), {
            key: np.frombuffer(data, np.dtype(dtype), length, offset) for key, dtype, length, offset in header["arrays"]
        }
    except (OSError, ValueError, KeyError, TypeError, orjson.JSONDecodeError):
        return None  # whatever is wrong with it, the Parquet has the truth


def _write(file: Path, source: str, arrays: Arrays) -> None:
    places, offset = [], 0
    for name, array in arrays.items():
        places.append([name, array.dtype.str, len(array), offset])
        offset = _aligned(offset + array.nbytes)
    digest = xxhash.xxh3_64()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix="unfinished-")
    except OSError:
        return  # a folder that cannot be written only costs time
    try:
        for array in arrays.values():
            digest.update(array.data)
            digest.update(bytes(_aligned(array.nbytes) - array.nbytes))
        header = {"source": source, "arrays": places, "size": offset, "checksum": digest.hexdigest()}
        head = orjson.dumps(header)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(MAGIC + len(head).to_bytes(8, "little") + head)
            opened.write(bytes(_aligned(16 + len(head)) - 16 - len(head)))
            for array in arrays.values():
                opened.write(array.data)
                opened.write(bytes(_aligned(array.nbytes) - array.nbytes))
        os.replace(temporary, file)
    except OSError:  # a full disk: the arrays in memory serve as well
        Path(temporary).unlink(missing_ok=True)


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN
