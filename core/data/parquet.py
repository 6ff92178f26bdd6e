"""How rows become the Parquet files of a segment: groups of rows, each column encoded as suits what it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.checksums import seal
from core.data.codebook import held_codes, texts_of

GROUP_ROWS: Final = 512 << 10
"""Smaller groups of rows take longer to write, bigger ones to read a few rows of."""

_SCATTERED: Final = frozenset({"mpid", "hash"})
"""Numbers without any order: neither their differences nor a compressor make them smaller."""

_OWN: Final = frozenset({"message_id", "request_id", "session_uuid"})
"""Texts of which every row has its own, mostly."""

_SOUGHT: Final = frozenset({"workspace", "kind", "name", "key", "identity_type", "field", "value"})
"""Texts by which rows are found: most files are ordered by them."""

_BATCH_ROWS: Final = 16 << 10
"""So many rows of a column are encoded at once."""

Arrays = Mapping[str, Any]
"""Arrow arrays by column, all of one length."""


def write(rows: pl.DataFrame, file: Path) -> None:
    """Writes rows of a table as a file of a segment, without the columns that are null in all of them."""
    said = [column for column in rows.get_columns() if column.null_count() < len(column)]
    filled = [column.name for column in said if not column.null_count()]
    groups = range(0, max(len(rows), 1), GROUP_ROWS)
    write_groups(
        ({each.name: arrow_of(each.slice(start, GROUP_ROWS)) for each in said} for start in groups), file, filled
    )


def write_groups(groups: Iterable[Arrays], file: Path, filled: Collection[str] = ()) -> None:
    """Writes a file of groups of rows, which have the same columns of the same types; the next group is made while one
    is written. `filled`: columns that are null in no row."""
    writer: pq.ParquetWriter | None = None
    pending: Future[None] | None = None
    with ThreadPoolExecutor(1) as beside:
        try:
            for group in groups:
                fields = [pa.field(name, array.type, nullable=name not in filled) for name, array in group.items()]
                table = pa.table([*group.values()], schema=pa.schema(fields))
                if writer is None:
                    writer = pq.ParquetWriter(file, table.schema, store_schema=False, **_options(table.schema))
                if pending is not None:
                    pending.result()
                pending = beside.submit(writer.write_table, table, row_group_size=GROUP_ROWS)
            if pending is not None:
                pending.result()
        finally:
            beside.shutdown()
            if writer is not None:
                writer.close()
    if writer is not None:
        seal(file)


def _options(schema: pa.Schema) -> dict[str, Any]:
    """Whole numbers as the differences of neighbours, which need no compressor; texts that repeat as dictionaries, the
    others with their lengths apart, which the compressor likes better. Only of texts that rows are found by are least
    and greatest values worth finding."""
    leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
    whole = [path for path, kind in leaves if pa.types.is_integer(kind)]
    plain = {*whole, *(path for path, kind in leaves if path in _OWN or pa.types.is_boolean(kind))}
    encodings = {path: "DELTA_BINARY_PACKED" for path in whole if path not in _SCATTERED}
    return {
        "use_dictionary": [path for path, _ in leaves if path not in plain],
        "column_encoding": encodings | {path: "DELTA_LENGTH_BYTE_ARRAY" for path, _ in leaves if path in _OWN},
        "compression": {path: "none" if path in whole else "zstd" for path, _ in leaves},
        "compression_level": {path: 1 for path, _ in leaves if path not in whole},
        "write_statistics": [path for path, kind in leaves if path in _SOUGHT or not _is_text(kind)],
        "write_batch_size": _BATCH_ROWS,
        "write_page_checksum": True,  # `core.data.checksums`
    }


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_dictionary(kind) or pa.types.is_large_string(kind) or pa.types.is_string(kind))


def _leaves(path: str, kind: Any) -> Iterator[tuple[str, Any]]:
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path, kind


def arrow_of(column: pl.Series) -> Any:
    """A column as an Arrow array; a coded one as a dictionary of the texts that it holds.

    (pyarrow makes none of numpy's arrays before it has imported pandas, which takes a second.)
    """
    if not isinstance(column.dtype, pl.Categorical):
        array = column.to_arrow(compat_level=pl.CompatLevel.oldest())
        return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    codes = column.to_physical().cast(pl.UInt32)
    held = held_codes(codes)
    places = np.zeros(int(held.max(initial=0)) + 1, np.int32)
    places[held] = np.arange(len(held), dtype=np.int32)
    texts = arrow_of(texts_of(held, column.dtype))
    return pa.DictionaryArray.from_arrays(arrow_of(pl.Series(places).gather(codes)), texts, safe=False)


def constant(value: str, size: int) -> Any:
    """A column of one text."""
    return pa.DictionaryArray.from_arrays(arrow_of(pl.zeros(size, pl.Int32, eager=True)), arrow_of(pl.Series([value])))


def lists_of(offsets: npt.NDArray[np.int64], fields: Arrays) -> Any:
    """Lists of structs: the entries from `offsets[0]` to before `offsets[1]`, and so on."""
    return pa.LargeListArray.from_arrays(
        arrow_of(pl.Series(offsets)), pa.StructArray.from_arrays([*fields.values()], [*fields])
    )
