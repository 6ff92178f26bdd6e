"""The time column of a table as UTC milliseconds."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, Literal

import polars as pl

from core.data.values import NUMBER_PATTERN

Unit = Literal["iso", "s", "ms", "us"]

ISO_PATTERN: Final = (
    r"^[0-9]{4}(?:-(?:0[1-9]|1[0-2])-[0-3][0-9]|(?:0[1-9]|1[0-2])[0-3][0-9])"
    r"(?:[Tt ](?:[01][0-9]|2[0-3])(?::?[0-5][0-9](?::?[0-5][0-9](?:[.,][0-9]{1,9})?)?)?"
    r"(?: ?(?:[Zz]|UTC)|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?)?$"
)
"""ISO-8601 dates and times, extended or basic, with a `T` or a space between; also `... UTC`, as BigQuery writes it."""

FIRST_MS: Final = -62_135_596_800_000
LAST_MS: Final = 253_402_300_799_999
"""The years 1 to 9999: what a moment may be."""

_MICROSECONDS: Final = {"s": 1e6, "ms": 1e3, "us": 1.0}
_DATE_LENGTHS: Final = (8, 10)
_SHAPES: Final = {
    (10, ""): "%Y-%m-%d",
    (19, ""): "%Y-%m-%d{}%H:%M:%S",
    (20, "Z"): "%Y-%m-%d{}%H:%M:%SZ",
    (23, ""): "%Y-%m-%d{}%H:%M:%S%.3f",
    (24, "Z"): "%Y-%m-%d{}%H:%M:%S%.3fZ",
    (26, ""): "%Y-%m-%d{}%H:%M:%S%.6f",
    (27, "Z"): "%Y-%m-%d{}%H:%M:%S%.6fZ",
    (25, "+"): "%Y-%m-%d{}%H:%M:%S%:z",
    (29, "+"): "%Y-%m-%d{}%H:%M:%S%.3f%:z",
    (32, "+"): "%Y-%m-%d{}%H:%M:%S%.6f%:z",
}
"""Common shapes (length, zone) that are read in bulk; `{}` is the character between date and time."""


def moments_ms(cells: pl.Series, unit: Unit, zone: str) -> pl.Series:
    """UTC milliseconds (Int64), null where a cell is none.

    `iso`: texts, dates and datetimes; one without a zone is a local time of `zone`. A local time that happens
    twice is the earlier one; one that a change of clocks skips is no moment; a date alone is the day's first moment.
    `s`, `ms`, `us`: numbers, also as text, since 1970 UTC. Fractions of a millisecond are cut.
    """
    if unit == "ms" and cells.dtype.is_integer():
        millis = cells.cast(pl.Int64, strict=False)
        return millis.set((millis < FIRST_MS) | (millis > LAST_MS), None)
    if unit == "iso":
        times = _iso(cells, zone)
    else:
        numbers = _numbers(cells) * _MICROSECONDS[unit]
        times = numbers.set(~numbers.is_finite() | (numbers.abs() > LAST_MS * 1e3), None).round().cast(pl.Int64)
    millis = times // 1000
    return millis.set((millis < FIRST_MS) | (millis > LAST_MS), None)


def _numbers(cells: pl.Series) -> pl.Series:
    if cells.dtype.is_numeric():
        return cells.cast(pl.Float64)
    text = cells.cast(pl.String)
    return text.set(~text.str.contains(NUMBER_PATTERN), None).cast(pl.Float64)


def _iso(cells: pl.Series, zone: str) -> pl.Series:
    """Microseconds since 1970 UTC."""
    if isinstance(cells.dtype, pl.Datetime):
        times = cells.cast(pl.Datetime("us", cells.dtype.time_zone))
        return _utc(times, zone) if cells.dtype.time_zone is None else times.dt.timestamp("us")
    if cells.dtype == pl.Date():
        return _utc(cells.cast(pl.Datetime("us")), zone, dates=pl.repeat(True, len(cells), eager=True))
    text = cells.cast(pl.String)
    text = text.set(~text.str.contains(ISO_PATTERN), None)
    return _in_bulk(text, zone)


def _utc(local: pl.Series, zone: str, dates: pl.Series | None = None) -> pl.Series:
    """Local times as microseconds since 1970 UTC. `dates`: days, which start at 1:00 where clocks skip midnight."""
    placed = _placed(local, zone)
    if dates is not None and zone != "UTC":
        skipped = placed.is_null() & dates
        if skipped.any():
            placed = _placed(local.dt.offset_by("1h"), zone).zip_with(skipped, placed)
    return placed.dt.timestamp("us")


def _placed(local: pl.Series, zone: str) -> pl.Series:
    return local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")


def _in_bulk(text: pl.Series, zone: str) -> pl.Series:
    """Valid ISO texts: those of the first one's shape at once, the others one by one."""
    first = text.drop_nulls().head(1).to_list()
    shape = _shape(first[0]) if first else None
    if shape is None:
        return _one_by_one(text, zone)
    placed = shape.endswith(("Z", "%:z"))
    zoned = pl.Datetime("us", "UTC") if shape.endswith("%:z") else pl.Datetime("us")
    local = text.str.strptime(zoned, shape, strict=False)
    dates = text.str.len_bytes().is_in(_DATE_LENGTHS)
    times = local.dt.timestamp("us") if placed else _utc(local, zone, dates)
    other = local.is_null() & text.is_not_null()
    if not other.any():
        return times
    return _one_by_one(text.set(~other, None), zone).zip_with(other, times)


def _shape(text: str) -> str | None:
    zone = "Z" if text.endswith("Z") else "+" if text[-6:-5] in ("+", "-") and text[-3] == ":" else ""
    shape = _SHAPES.get((len(text), zone))
    return shape.format(text[10]) if shape and len(text) > len("0000-00-00") else shape


def _one_by_one(text: pl.Series, zone: str) -> pl.Series:
    distinct = text.unique().drop_nulls()
    read = [_read(item) for item in distinct]
    local = pl.Series(
        [moment if moment and moment.tzinfo is None else None for moment in read], dtype=pl.Datetime("us")
    )
    placed = pl.Series(
        [moment if moment and moment.tzinfo else None for moment in read], dtype=pl.Datetime("us", "UTC")
    )
    times = _utc(local, zone, dates=distinct.str.len_bytes().is_in(_DATE_LENGTHS))
    times = placed.dt.timestamp("us").zip_with(placed.is_not_null(), times)
    return text.replace_strict(distinct, times, default=None, return_dtype=pl.Int64)


def _read(text: str) -> datetime | None:
    """One valid ISO text; without a zone it is naive. None: no such day."""
    try:
        return datetime.fromisoformat(re.sub(r" ?UTC$", "Z", text).upper().replace(" Z", "Z"))
    except (ValueError, OverflowError):
        return None
