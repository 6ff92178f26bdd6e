"""The rows of a mapped table: who, when, which event. Rows that cannot be read are refused with line and reason."""

from __future__ import annotations

from collections.abc import Mapping as Dictionary
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

import polars as pl

from core.data.batch_shapes import NO_UUID, identity_type
from core.data.cells import repeated_numbers, tagged_cells, tagged_numbers, texts
from core.data.codebook import Codebook
from core.data.delimited import Chunk
from core.data.mapping import NAMELESS, EventKind, Mapping
from core.data.moments import moments_ms

NAME_CHARACTERS: Final = 256
VALUE_CHARACTERS: Final = 4096
LIST_ENTRIES: Final = 1000

_MPID: Final = r"^-?[0-9]{1,19}$"
_SHOWN_CHARACTERS: Final = 60
_EVENT: Final = {
    "kind": pl.String,
    "name": pl.String,
    "custom_type": pl.String,
    "given": pl.Boolean,
    "cut": pl.Boolean,
}


class Cells:
    """The cells of some rows. `cut` counts the values and list entries that went over a limit."""

    def __init__(self, frame: pl.DataFrame, nulls: tuple[str, ...], codebook: Codebook | None = None) -> None:
        """`codebook`: that of the load, for what is asked for as codes."""
        self.frame, self._nulls = frame, list(nulls)
        self.codebook = Codebook() if codebook is None else codebook
        self.cut = 0
        self._raw: dict[str, pl.Series] = {}

    def raw(self, column: str) -> pl.Series:
        """A column with the mapping's null texts as nulls."""
        if column not in self._raw:
            self._raw[column] = self._read(column)
        return self._raw[column]

    def _read(self, column: str) -> pl.Series:
        cells = self.frame[column]
        if cells.dtype != pl.String() and not isinstance(cells.dtype, pl.Categorical | pl.Enum):
            return cells
        cells = cells.cast(pl.String)
        return cells.set(cells.is_in(self._nulls), None) if self._nulls else cells

    def text(self, column: str) -> pl.Series:
        """A column as the texts that string operators read."""
        return texts(self.raw(column))

    def tagged(self, column: str, at: pl.Series | None = None) -> pl.Series:
        """A column, or its cells in some rows, as tagged values, cut to the limits."""
        cells = self._at(column, at)
        if isinstance(cells.dtype, pl.List):
            self.cut += int((cells.list.len().cast(pl.Int64) - LIST_ENTRIES).clip(0).sum())
            cells = cells.list.head(LIST_ENTRIES)
            return tagged_cells(cells)
        return self._limited(tagged_cells(cells))

    def _at(self, column: str, at: pl.Series | None) -> pl.Series:
        return self.raw(column) if at is None else self.raw(column).gather(at)

    def coded(self, column: str, at: pl.Series | None = None) -> pl.Series:
        """The same as codes, where its texts repeat."""
        cells = self._at(column, at)
        if cells.dtype == pl.String() and _longest(cells) <= VALUE_CHARACTERS:
            return self.codebook.tagged(column, cells)
        if cells.dtype.is_numeric() and not isinstance(cells.dtype, pl.Decimal):
            return self._numbers(f"tagged {column}", cells)
        return self.codebook.coded(f"tagged {column}", self.tagged(column, at))

    def _numbers(self, column: str, cells: pl.Series) -> pl.Series:
        """Numbers as codes; of those that repeat each distinct one is written once."""
        at = cells.is_not_null().arg_true()
        if len(at) < len(cells):
            held = self._numbers(column, cells.gather(at))
            return pl.Series(cells.name, [None], held.dtype).new_from_index(0, len(cells)).scatter(at, held)
        distinct = repeated_numbers(cells)
        if distinct is None:
            return self.codebook.coded(column, tagged_numbers(cells))
        coded = self.codebook.coded(column, tagged_numbers(distinct), len(cells))
        if coded.dtype == pl.String():
            return cells.replace_strict(distinct, coded, return_dtype=pl.String)
        return cells.replace_strict(distinct, coded.to_physical(), return_dtype=pl.UInt32).cat.to(coded.dtype)

    def _limited(self, tagged: pl.Series) -> pl.Series:
        if _longest(tagged) <= VALUE_CHARACTERS:
            return tagged
        self.cut += int((tagged.str.len_chars() > VALUE_CHARACTERS + 1).sum())
        return tagged.str.head(VALUE_CHARACTERS + 1)

    def filter(self, keep: pl.Series) -> Cells:
        """The cells of the rows that stay."""
        return Cells(self.frame.filter(keep), tuple(self._nulls), self.codebook)


def _longest(texts: pl.Series) -> int:
    """The bytes of the longest text."""
    longest = texts.str.len_bytes().max()
    return longest if isinstance(longest, int) else 0


@dataclass(frozen=True)
class Rows:
    """Rows that were read, one entry a row in every series."""

    cells: Cells
    lines: pl.Series
    time_ms: pl.Series
    """UTC milliseconds."""
    mpid: pl.Series | None
    """Int64, null where the row gives none; None: no row gives one."""
    identities: Dictionary[str, pl.Series]
    """Identity type -> text, null where the row has none."""
    events: pl.DataFrame
    """Columns kind, name, custom_type (coded), given (`kinds` names it), cut (the name was too long); without rows for
    a table of profiles."""
    refused: pl.DataFrame
    """Columns line, reason: the other rows of the chunk, in order."""
    cut: int

    @property
    def size(self) -> int:
        """The number of rows."""
        return len(self.lines)


def read_rows(chunk: Chunk, mapping: Mapping, received_ms: int | None, codebook: Codebook | None = None) -> Rows:
    """The rows of a chunk; columns must have been checked. `received_ms`: the moment of profile rows without a time.

    `codebook`: that of the load, which keeps equal texts of all chunks equal codes.
    """
    cells = Cells(chunk.frame, mapping.nulls, codebook)
    times, bad_time = _times(cells, mapping, received_ms)
    mpid, identities, bad_user = _users(cells, mapping)
    events, bad_event = _events(cells, mapping)
    reasons = _first(bad_user, bad_time, bad_event)
    keep = reasons.is_null()
    if keep.all():
        return Rows(cells, chunk.lines, times, mpid, identities, events, chunk.refused, 0)
    unread = pl.DataFrame({"line": chunk.lines, "reason": reasons}).filter(~keep)
    rows = Rows(cells, chunk.lines, times, mpid, identities, events, pl.concat([chunk.refused, unread]).sort("line"), 0)
    return _filtered(rows, keep)


def _filtered(rows: Rows, keep: pl.Series) -> Rows:
    return replace(
        rows,
        cells=rows.cells.filter(keep),
        lines=rows.lines.filter(keep),
        time_ms=rows.time_ms.filter(keep),
        mpid=None if rows.mpid is None else rows.mpid.filter(keep),
        identities={name: values.filter(keep) for name, values in rows.identities.items()},
        events=rows.events.filter(keep) if rows.events.height else rows.events,
    )


def _times(cells: Cells, mapping: Mapping, received_ms: int | None) -> tuple[pl.Series, pl.Series]:
    """UTC milliseconds, and the reason where there are none."""
    arrived = pl.repeat(received_ms, cells.frame.height, dtype=pl.Int64, eager=True)
    if mapping.time is None:
        return arrived, _reasons(arrived.is_null(), "no time, and no moment of arrival was given")
    column = mapping.time.column
    given = cells.raw(column)
    times = moments_ms(given, mapping.time.unit, mapping.time.timezone)
    if mapping.rows == "profiles":
        times = times.zip_with(given.is_not_null(), arrived)
    absent = _reasons(times.is_null() & given.is_null(), f'no time in column "{column}"')
    form = f"no time of unit {mapping.time.unit}"
    if mapping.time.unit == "iso" and mapping.time.timezone != "UTC":
        form += f", or skipped by a change of clocks in {mapping.time.timezone}"
    unread = _reasons(times.is_null() & given.is_not_null(), f'column "{column}": {form}: ', given)
    return times, _first(absent, unread)


def _users(cells: Cells, mapping: Mapping) -> tuple[pl.Series | None, dict[str, pl.Series], pl.Series]:
    """The mpid, the identities, and the reason where there is neither."""
    user, mpid = mapping.user, None
    unread = _reasons(pl.repeat(False, cells.frame.height, eager=True), "")
    columns = {identity_type(name): column for name, column in mapping.identity_columns()}
    if user.identity_type is None:
        mpid, unread = _mpids(cells.raw(user.column))
    identities = {name: _identity(cells.raw(column)) for name, column in columns.items()}
    known = [series.is_not_null() for series in (*identities.values(), *([] if mpid is None else [mpid]))]
    nobody = _reasons(~reduce(lambda some, more: some | more, known), f'no user in column "{user.column}"')
    return mpid, identities, _first(unread, nobody)


def _mpids(given: pl.Series) -> tuple[pl.Series, pl.Series]:
    if given.dtype.is_signed_integer() and given.dtype != pl.Int128():
        return given.cast(pl.Int64), _reasons(pl.repeat(False, len(given), eager=True), "")
    text = texts(given)
    whole = text.set(~text.str.contains(_MPID), None)
    mpid = whole.cast(pl.Int64, strict=False)
    return mpid, _reasons(mpid.is_null() & text.is_not_null(), "mpid is no signed 64-bit integer: ", given)


def _identity(given: pl.Series) -> pl.Series:
    if given.dtype.is_float():
        given = given.set(~given.is_finite(), None)
    text = texts(given)
    return text.set(text.is_in(["", NO_UUID]), None)


def _events(cells: Cells, mapping: Mapping) -> tuple[pl.DataFrame, pl.Series]:
    """The events, as in `Rows`, and the reason where there is none."""
    size = cells.frame.height
    if mapping.rows == "profiles":
        return pl.DataFrame(schema=_EVENT), _reasons(pl.repeat(False, size, eager=True), "")
    if mapping.event is not None and mapping.event.column is not None:
        values = cells.text(mapping.event.column)
    else:
        constant = mapping.event.value if mapping.event is not None else ""
        values = pl.repeat(constant, size, dtype=pl.String, eager=True)
    distinct, codes = cells.codebook.numbered("event value", values)
    meanings = pl.DataFrame([_meaning(mapping, value) for value in distinct], schema=_EVENT, orient="row")
    unnamed = (distinct == "") & ~meanings["kind"].is_in([*NAMELESS])
    coded = [
        cells.codebook.coded(each.name, each, size) if each.name in ("kind", "name", "custom_type") else each
        for each in meanings.get_columns()
    ]
    events = pl.DataFrame([meaning.gather(codes) for meaning in coded])
    return events, _reasons(codes.is_null() | unnamed.gather(codes), "no event name in its column")


def _meaning(mapping: Mapping, value: str) -> tuple[str, str | None, str | None, bool, bool]:
    """Kind, name and custom type of an event value, whether `kinds` gives the name, and whether it was cut."""
    meant = mapping.kinds.get(value) or EventKind(kind=mapping.default_kind)
    name = None if meant.kind in NAMELESS else (meant.name or value)
    custom_type = (meant.custom_type or "other") if meant.kind == "custom" else None
    cut = name is not None and len(name) > NAME_CHARACTERS
    return meant.kind, name[:NAME_CHARACTERS] if name else name, custom_type, meant.name is not None, cut


def _reasons(condition: pl.Series, reason: str, quoted: pl.Series | None = None) -> pl.Series:
    """The reason where the condition holds (null counts as no), with the cell that it quotes; null elsewhere."""
    size = len(condition)
    reasons = pl.repeat(None, size, dtype=pl.String, eager=True)
    at = condition.arg_true()
    if len(at) == 0:
        return reasons
    if quoted is None:
        return reasons.scatter(at, reason)
    shown = texts(quoted.gather(at)).fill_null("")
    return reasons.scatter(at, [f'{reason}"{text[:_SHOWN_CHARACTERS]}"' for text in shown])


def _first(*reasons: pl.Series) -> pl.Series:
    """The first reason of each row."""
    some = [each for each in reasons if each.count()] or [reasons[0]]
    return reduce(lambda first, later: later.zip_with(first.is_null(), first), some)
