"""Tables by mapping (DEFINITION 5.1): CSV, Parquet, Arrow and polars frames into a load, column by column."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, Final

import polars as pl

from core.data.batch_shapes import identity_type
from core.data.claims import users_of
from core.data.codebook import Codebook
from core.data.delimited import Chunk
from core.data.frames import Table, TextLayout, name_of, open_table
from core.data.loading import Loader, LoadReport, Part, Refusal
from core.data.mapped import mapped_tables
from core.data.mapping import Mapping, contradictions, mapping_error
from core.data.rows import Rows, read_rows
from core.data.store import Store
from core.errors import InputError

PART_CELLS: Final = 9_000_000
PART_ROWS: Final = 500_000
"""A part of a load holds at most this many cells and rows of a table."""

_THREADS: Final = 2
_AHEAD: Final = 3
"""So many chunks are read by threads while one is staged; there is always one that waits for a thread."""

Progress = Callable[[int, int | None], None]


def load_table(
    store: Store,
    frame_or_path: Table | Sequence[Table],
    mapping: Mapping | dict[str, Any],
    *,
    workspace: str,
    input: str,
    kind: str,
    received_at: datetime | None = None,
    progress: Progress | None = None,
) -> LoadReport:
    """Loads a table, or files of one layout, into one input. Rows that cannot be read are in the report, each with its
    line; the rest is loaded.

    `received_at` is the moment of profile rows without a time. `progress` is told (rows read, None) after each part.
    InputError: the table cannot be read, or the mapping does not fit it (every reason); then nothing is loaded.
    """
    mapping = mapping if isinstance(mapping, Mapping) else Mapping.from_dict(mapping)
    received_ms = _milliseconds(received_at)
    refusals: list[Refusal] = []
    cut, seen = 0, 0
    chunks = _chunks_of(frame_or_path, mapping)
    read_chunk = partial(_read, mapping=mapping, received_ms=received_ms, codebook=Codebook())
    with Loader(store, workspace=workspace, input=input, kind=kind) as load:
        for read in _ahead(chunks, read_chunk):
            refusals += read.refusals
            if read.part is not None:
                load.stage(read.part)
            cut += read.cut
            seen += read.rows
            if progress is not None:
                progress(seen, None)
        return load.commit(cut=cut, refusals=refusals)


@dataclass(frozen=True)
class _Read:
    """What became of a chunk of `rows` rows."""

    rows: int
    part: Part | None
    cut: int
    refusals: list[Refusal]


def _read(named: tuple[str, Chunk], mapping: Mapping, received_ms: int | None, codebook: Codebook) -> _Read:
    source, chunk = named
    rows = read_rows(chunk, mapping, received_ms, codebook)
    refusals = [Refusal(source, line, reason) for line, reason in rows.refused.rows()]
    part = part_of(rows, mapping) if rows.size else None
    return _Read(chunk.frame.height + chunk.refused.height, part, rows.cells.cut, refusals)


def _ahead(chunks: Iterator[tuple[str, Chunk]], read: Callable[[tuple[str, Chunk]], _Read]) -> Iterator[_Read]:
    """What `read` makes of chunks, in order; some are read in threads while the one before them is staged."""
    pending: deque[Future[_Read]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        for chunk in chunks:
            pending.append(pool.submit(read, chunk))
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _chunks_of(tables: Table | Sequence[Table], mapping: Mapping) -> Iterator[tuple[str, Chunk]]:
    """The chunks of the tables, each with its table's name. The first table is checked at once, the others in turn."""
    first, *others = _listed(tables)
    chunks = fitting_chunks(first, mapping)
    named = ((name_of(first), chunk) for chunk in chunks)
    return chain(named, ((name_of(table), chunk) for table in others for chunk in fitting_chunks(table, mapping)))


def _listed(tables: Table | Sequence[Table]) -> Sequence[Table]:
    if isinstance(tables, Table):
        return [tables]
    if not isinstance(tables, Sequence) or not tables:
        raise InputError("A table is a polars frame or the path of a file, or a list of them.")
    return tables


def _milliseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InputError("received_at has no time zone.", "Give it one, such as datetime.UTC.")
    return int(moment.timestamp() * 1000)


def fitting_chunks(table: Table, mapping: Mapping, rows: int = PART_ROWS) -> Iterator[Chunk]:
    """The table's chunks, at most `rows` rows each, after every check of the mapping against its columns."""
    layout = TextLayout(mapping.delimiter, mapping.header, mapping.columns)
    schema, chunks = open_table(table, layout)
    problems = [*contradictions(mapping), *misfits(mapping, schema)]
    if problems:
        raise mapping_error(problems, "" if isinstance(table, pl.DataFrame | pl.LazyFrame) else f"{table}: ")
    pieces = -(-PART_ROWS * max(1, len(schema)) // PART_CELLS)  # of one size, so that threads wait for none
    bound = max(1, min(rows, PART_ROWS // pieces))
    return (part for chunk in chunks for part in _split(chunk, bound))


def _split(chunk: Chunk, rows: int) -> Iterator[Chunk]:
    """A chunk in pieces; what was refused goes with the first."""
    refused = chunk.refused
    for start in range(0, max(1, chunk.frame.height), rows):
        yield Chunk(chunk.frame.slice(start, rows), chunk.lines.slice(start, rows), refused)
        refused = refused.clear()


def misfits(mapping: Mapping, schema: pl.Schema) -> Iterator[str]:
    """Every reason, one line each, why the mapping does not fit a table with these columns."""
    missing = [(key, column) for key, column in mapping.uses() if column not in schema]
    for key, column in missing:
        yield f'{key}: there is no column "{column}"'
    if missing:
        yield "the columns are " + ", ".join(f'"{name}"' for name in schema)
    named: dict[str, str] = {}
    for name, column in mapping.identity_columns():
        if named.setdefault(identity_type(name), column) != column:
            yield f'identities.{name}: column "{named[identity_type(name)]}" is named for it as well'
    for key, column in mapping.uses():
        dtype = schema.get(column)
        single = not key.startswith(("attributes", "user_attributes", "fields.", "product."))
        if single and dtype is not None and dtype.is_nested():
            yield f'{key}: column "{column}" holds {dtype}, one value a row is needed'
    time = mapping.time
    dtype = None if time is None else schema.get(time.column)
    if time is not None and dtype is not None:
        if time.unit != "iso" and dtype.is_temporal():
            yield f'time.unit: column "{time.column}" holds {dtype}; leave the unit out'
        elif dtype == pl.Boolean() or dtype in (pl.Time(), pl.Binary()) or isinstance(dtype, pl.Duration):
            yield f'time.column: column "{time.column}" holds {dtype}, no moments'


def part_of(rows: Rows, mapping: Mapping) -> Part:
    """The rows as a part of a load; every row takes one arrival."""
    users, who, identities = users_of(rows)
    tables = mapped_tables(rows, users, len(who), mapping)
    if identities.height:
        tables["identities"] = identities
    return Part(who, tables, rows.size)
