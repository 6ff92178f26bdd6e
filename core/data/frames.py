"""Tables from files and memory as chunks of rows: CSV (plain, gz, zst), Parquet, Arrow, polars frames.

What a file is is seen from its first bytes, not from its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import polars as pl

from core.data.delimited import Chunk, read_delimited
from core.data.sources import readable, unpacked
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
def _readable(name: str) -> Iterator[None]:
    """Whatever goes wrong while a table is read is an InputError that names it."""
    try:
        with readable(name):
            yield
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{name}: cannot be read ({str(error).partition(chr(10))[0]}).") from None
    except InputError as error:
        raise error if name in error.message else InputError(f"{name}: {error.message}", error.hint) from None


def open_table(table: Table, layout: TextLayout) -> tuple[pl.Schema, Iterator[Chunk]]:
    """The table's columns and its rows, chunk by chunk in order; to be read once, at once.

    InputError: not there, damaged, an empty text without header.
    """
    name = name_of(table)
    with _readable(name):
        if isinstance(table, pl.DataFrame | pl.LazyFrame):
            schema, chunks = _of_frame(table.lazy())
        else:
            schema, chunks = _of_file(_existing(table), layout)
    return schema, _guarded(name, chunks)


def _guarded(name: str, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    with _readable(name):
        yield from chunks


def _existing(path: str | Path) -> Path:
    if not isinstance(path, str | Path):
        raise InputError("A table is a polars frame or the path of a file.")
    if not Path(path).is_file():
        raise InputError("there is no such file.", "Give the path of a CSV, Parquet or Arrow file.")
    return Path(path)


def _of_file(path: Path, layout: TextLayout) -> tuple[pl.Schema, Iterator[Chunk]]:
    form = _form(path)
    if form == "text":
        return _of_text(path, layout)
    if form == "parquet":
        return _of_frame(pl.scan_parquet(path, glob=False))
    if form == "arrow":
        return _of_frame(pl.scan_ipc(path, glob=False))
    return _of_frame(pl.read_ipc_stream(path).lazy())


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
    if isinstance(table, pl.DataFrame | pl.LazyFrame):
        return None
    with _readable(name_of(table)):
        path = _existing(table)
        if _form(path) != "text":
            return None
        with path.open("rb") as file:
            return unpacked(file).read(HEAD_BYTES).decode("utf-8-sig", errors="replace")


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
    with path.open("rb") as file:
        yield from read_delimited(unpacked(file), layout.delimiter, layout.header, layout.columns)
