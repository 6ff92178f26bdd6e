"""Tables from files and memory as chunks of rows: CSV (plain, gz, zst), Parquet, Arrow, polars frames.

What a file is is seen from its first bytes, not from its name.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import polars as pl
import zstandard

from core.data.delimited import Chunk, read_delimited
from core.errors import InputError

Table: TypeAlias = pl.DataFrame | pl.LazyFrame | str | Path
"""What can be loaded as a table: a frame in memory, or the path of a file."""

CHUNK_ROWS: Final = 500_000

HEAD_BYTES: Final = 64 << 10

_NO_REFUSALS: Final = pl.DataFrame(schema={"line": pl.Int64, "reason": pl.String})


@dataclass(frozen=True)
class TextLayout:
    """How a delimited text is laid out; other tables know their columns themselves."""

    delimiter: str = ","
    header: bool = True
    columns: Sequence[str] | None = None


def name_of(table: Table) -> str:
    """How reports call the table."""
    return str(table) if isinstance(table, str | Path) else "table"


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever goes wrong while a file is read is an InputError that names it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error.message}", error.hint) from None
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise InputError(f"{path}: the compressed file is damaged or cut short ({error}).") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: cannot be read ({str(error).splitlines()[0]}).") from None


def open_table(table: Table, layout: TextLayout) -> tuple[pl.Schema, Iterator[Chunk]]:
    """The table's columns and its rows, chunk by chunk in order; to be read once, at once.

    InputError: not there, damaged, an empty text without header.
    """
    if isinstance(table, pl.DataFrame | pl.LazyFrame):
        return _of_frame(table.lazy())
    path = Path(table)
    with _readable(path):
        form = _form(path)
        if form == "text":
            schema, chunks = _of_text(path, layout)
        elif form == "parquet":
            schema, chunks = _of_frame(pl.scan_parquet(path, glob=False))
        elif form == "arrow":
            schema, chunks = _of_frame(pl.scan_ipc(path, glob=False))
        else:
            schema, chunks = _of_frame(pl.read_ipc_stream(path).lazy())
    return schema, _guarded(path, chunks)


def _guarded(path: Path, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    with _readable(path):
        yield from chunks


def _form(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.startswith(b"ARROW1"):
        return "arrow"
    return "stream" if start.startswith(b"\xff\xff\xff\xff") else "text"


def head_of_text(table: Table) -> str | None:
    """The first 64 KB of a delimited text; None for tables of other forms. InputError: it cannot be read."""
    if not isinstance(table, str | Path):
        return None
    path = Path(table)
    with _readable(path):
        if _form(path) != "text":
            return None
        with path.open("rb") as file, _plain(file) as stream:
            return stream.read(HEAD_BYTES).decode("utf-8-sig", errors="replace")


def _of_frame(frame: pl.LazyFrame) -> tuple[pl.Schema, Iterator[Chunk]]:
    return frame.collect_schema(), _frame_chunks(frame)


def _frame_chunks(frame: pl.LazyFrame) -> Iterator[Chunk]:
    row = 1
    for part in frame.collect_batches(chunk_size=CHUNK_ROWS, maintain_order=True):
        lines = pl.int_range(row, row + part.height, dtype=pl.Int64, eager=True).alias("line")
        yield Chunk(part, lines, _NO_REFUSALS)
        row += part.height


def _of_text(path: Path, layout: TextLayout) -> tuple[pl.Schema, Iterator[Chunk]]:
    chunks = _text_chunks(path, layout)
    first = next(chunks)

    def rows() -> Iterator[Chunk]:
        yield first
        yield from chunks

    return first.frame.schema, rows()


def _text_chunks(path: Path, layout: TextLayout) -> Iterator[Chunk]:
    with path.open("rb") as file, _plain(file) as stream:
        yield from read_delimited(stream, layout.delimiter, layout.header, layout.columns)


@contextmanager
def _plain(file: BinaryIO) -> Iterator[BinaryIO]:
    """The file's text, decompressed if it is compressed."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        with gzip.open(file) as stream:
            yield io.BufferedReader(stream)
    elif start.startswith(b"\x28\xb5\x2f\xfd"):
        with zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream:
            yield io.BufferedReader(stream)
    else:
        yield file
