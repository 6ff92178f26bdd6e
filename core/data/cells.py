"""Cells of typed columns as tagged values, column by column; the same texts as `values.tagged` gives one by one."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final

import polars as pl

from core.data.values import tagged

_EXACT_WHOLE: Final = float(1 << 63)
_SHORT_FROM: Final = 1e-4
"""From here on polars writes a fraction as Python does; below it chooses other exponents."""

_REPEATED: Final = 2
"""Where numbers stand that many times on average, each distinct one is written once."""


def tagged_cells(cells: pl.Series) -> pl.Series:
    """The cells as tagged strings, null where a cell is null.

    Text is `s`, numbers `n`, booleans `b`, lists `l`; dates and times become ISO texts (in UTC with a Z if they have a
    zone, else without), durations milliseconds, bytes their text or, where that is not UTF-8, their hexadecimal digits.
    """
    if cells.null_count() > len(cells) // 2:  # what is not there need not be written
        at = cells.is_not_null().arg_true()
        nothing = pl.Series(cells.name, [None], dtype=pl.String).new_from_index(0, len(cells))
        return nothing.scatter(at, tagged_cells(cells.gather(at))) if len(at) else nothing
    dtype = cells.dtype
    if dtype == pl.Boolean():
        return prefixed("b", cells.cast(pl.String))
    if dtype.is_numeric() and not isinstance(dtype, pl.Decimal):
        distinct = repeated_numbers(cells)
        if distinct is not None:
            return cells.replace_strict(distinct, tagged_numbers(distinct), return_dtype=pl.String)
        return tagged_numbers(cells)
    if isinstance(dtype, pl.Decimal):
        text = cells.cast(pl.String)
        fraction = text.str.contains(".", literal=True)
        return prefixed("n", _where(fraction, text.str.strip_chars_end("0").str.strip_suffix("."), text))
    if isinstance(dtype, pl.Duration):
        return _floats(cells.dt.total_microseconds() / 1000)
    if dtype.is_nested() or dtype == pl.Object():
        return pl.Series(cells.name, [None if cell is None else tagged(_plain(cell)) for cell in cells], pl.String())
    return prefixed("s", texts(cells))


def repeated_numbers(cells: pl.Series) -> pl.Series | None:
    """The distinct ones of numbers that repeat, else None."""
    if not len(cells) or not cells.dtype.is_numeric() or isinstance(cells.dtype, pl.Decimal):
        return None
    distinct = cells.unique()
    return distinct if len(distinct) <= len(cells) // _REPEATED else None


def tagged_numbers(cells: pl.Series) -> pl.Series:
    """Numbers as tagged strings."""
    return _floats(cells) if cells.dtype.is_float() else prefixed("n", cells.cast(pl.String))


def texts(cells: pl.Series) -> pl.Series:
    """The cells as string operators read them, null where a cell is null."""
    dtype = cells.dtype
    if dtype == pl.String():
        return cells
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is not None:
            return cells.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
        return cells.dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
    if dtype == pl.Date():
        return cells.dt.strftime("%Y-%m-%d")
    if dtype == pl.Time():
        return cells.dt.strftime("%H:%M:%S%.f")
    if dtype == pl.Binary():
        return pl.Series(cells.name, [None if cell is None else _text_of_bytes(cell) for cell in cells], pl.String())
    if isinstance(dtype, pl.Categorical | pl.Enum) or dtype == pl.Null():
        return cells.cast(pl.String)
    return tagged_cells(cells).str.slice(1)


def prefixed(tag: str, cells: pl.Series) -> pl.Series:
    """The texts with their type letter before them."""
    return pl.select((pl.lit(tag) + pl.lit(cells)).alias(cells.name)).to_series()


def _where(condition: pl.Series, yes: pl.Series, no: pl.Series) -> pl.Series:
    return yes.zip_with(condition.fill_null(False), no)


def _floats(cells: pl.Series) -> pl.Series:
    """Numbers in shortest form, whole ones in full and without a fraction; non-finite ones are texts."""
    size = cells.abs()
    whole = ((cells == cells.floor()) & (size < _EXACT_WHOLE)).fill_null(False)
    text = cells.set(whole, None).cast(pl.String)
    if whole.any():
        text = _where(whole, cells.set(~whole, None).cast(pl.Int64).cast(pl.String), text)
    result = prefixed("n", text)
    at = (~(whole | ((size >= _SHORT_FROM) & (size < _EXACT_WHOLE)))).fill_null(False).arg_true()
    if len(at):
        odd = cells.gather(at)
        result = result.scatter(
            at, [tagged(_shortest(cell, text)) for cell, text in zip(odd, odd.cast(pl.String), strict=True)]
        )
    return result.alias(cells.name)


def _shortest(cell: float, text: str) -> float:
    """The number that the shortest text of a cell stands for: 0.1 for a 32-bit 0.1; whole numbers stay as they are."""
    return cell if cell.is_integer() else float(text)


def _text_of_bytes(cell: bytes) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell.hex()


def _plain(cell: object) -> object:
    """A nested cell with its moments and bytes as texts, as JSON would carry it."""
    if isinstance(cell, pl.Series):
        return [_plain(item) for item in cell]
    if isinstance(cell, list | tuple):
        return [_plain(item) for item in cell]
    if isinstance(cell, dict):
        return {str(key): _plain(item) for key, item in cell.items()}
    if isinstance(cell, date | datetime | time | timedelta | bytes):
        return texts(pl.Series([cell]))[0]
    return cell
