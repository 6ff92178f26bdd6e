"""A first mapping for a table nobody has described yet, and what a mapping makes of its first rows.

A guess goes by column names and by what the first rows hold; it is a proposal to look at, not a decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from core.data.delimited import Chunk
from core.data.frames import Table, TextLayout, head_of_text, name_of, open_table
from core.data.loading import Refusal
from core.data.mapping import Mapping
from core.data.moments import moments_ms
from core.data.names import (
    EVENT_COLUMNS,
    EVENT_MEANINGS,
    FIELD_COLUMNS,
    IDENTITY_COLUMNS,
    LOCATION_COLUMNS,
    MESSAGE_COLUMNS,
    NULL_TEXTS,
    PRODUCT_COLUMNS,
    TIME_COLUMNS,
    USER_COLUMNS,
)
from core.data.rows import Cells, Rows, read_rows
from core.data.tables import fitting_chunks
from core.errors import InputError

SAMPLE_ROWS: Final = 10_000
EVENT_VALUES: Final = 50
_DELIMITERS: Final = (",", "\t", ";", "|", " ")
_READABLE: Final = 0.9
_NOTHING: Final = Chunk(pl.DataFrame(), pl.Series(dtype=pl.Int64), pl.DataFrame())
_UNITS: Final = (("s", 1e8, 2e10), ("ms", 1e11, 2e13), ("us", 1e14, 2e16))
"""Epoch units and the numbers they are guessed for: the years 1973 to 2603."""


@dataclass(frozen=True)
class Preview:
    """What a mapping makes of a table's first rows."""

    columns: dict[str, str]
    """The table's columns and the types they hold."""
    rows: pl.DataFrame
    """line, user, time where one is mapped, kind, name and one text column for each of attributes, fields, ..."""
    refused: list[Refusal]
    samples: dict[str, str]
    """The first text of each column."""
    events: dict[str, int]
    """The values of the event column among the first 10,000 rows, most frequent first, and how many rows have each."""


def guess_mapping(table: Table) -> Mapping:
    """A mapping to start from. InputError: the table cannot be read, or has no columns."""
    head = head_of_text(table)
    layout = _layout(head)
    schema, chunks = open_table(table, layout)
    if not schema:
        raise InputError(f"{name_of(table)}: the table has no columns.")
    sample = next((chunk.frame for chunk in chunks), pl.DataFrame(schema=schema)).head(SAMPLE_ROWS)
    return Mapping.from_dict(_Guess(sample, layout).document(text=head is not None))


def preview(table: Table, mapping: Mapping, limit: int = 20) -> Preview:
    """The first rows as they would be loaded, and the first refusals among the first 10,000 rows."""
    chunk = next(fitting_chunks(table, mapping, SAMPLE_ROWS), _NOTHING)
    if not chunk.frame.width:
        return Preview({}, pl.DataFrame(), [], {}, {})
    rows = read_rows(chunk, mapping, received_ms=0)
    refused = [Refusal(name_of(table), line, reason) for line, reason in rows.refused.head(limit).rows()]
    columns = {name: str(dtype) for name, dtype in chunk.frame.schema.items()}
    cells = Cells(chunk.frame, mapping.nulls)
    samples = {name: str(given[0]) for name in columns if len(given := cells.text(name).drop_nulls().head(1))}
    event = mapping.event.column if mapping.event else None
    counted = cells.text(event).drop_nulls().value_counts(sort=True).head(EVENT_VALUES) if event else pl.DataFrame()
    return Preview(columns, _shown(rows, mapping, limit), refused, samples, dict(counted.iter_rows()))


def _shown(rows: Rows, mapping: Mapping, limit: int) -> pl.DataFrame:
    groups: dict[str, dict[str, str]] = {
        "attributes": {name: name for name in mapping.attribute_columns(rows.cells.frame.columns)},
        "fields": mapping.fields,
        "product": mapping.product,
        "user_attributes": {name: name for name in mapping.user_attributes},
        "identities": mapping.identities,
        "location": mapping.location,
    }
    events = rows.events.select("kind", "name") if rows.events.height else pl.DataFrame()
    shown = pl.DataFrame(
        {
            "line": rows.lines,
            "user": rows.cells.text(mapping.user.column),
            **({"time": rows.time_ms.cast(pl.Datetime("ms", "UTC"))} if mapping.time else {}),
            **events.to_dict(),
        }
    ).head(limit)
    texts = {
        group: [_text(parts, row) for row in _texts(rows, parts.values(), limit)]
        for group, parts in groups.items()
        if parts
    }
    return shown.with_columns(pl.Series(group, values, dtype=pl.String) for group, values in texts.items())


def _texts(rows: Rows, columns: Iterable[str], limit: int) -> Iterator[dict[str, str | None]]:
    frame = pl.DataFrame({column: rows.cells.text(column).head(limit) for column in dict.fromkeys(columns)})
    yield from frame.iter_rows(named=True)


def _text(parts: dict[str, str], row: dict[str, str | None]) -> str:
    return ", ".join(f"{name}={row[column]}" for name, column in parts.items() if row[column] is not None)


def _layout(head: str | None) -> TextLayout:
    """The layout of a text from its first lines."""
    if head is None:
        return TextLayout()
    lines = [line.rstrip("\r") for line in head.split("\n") if line.strip()][:50]
    delimiter = max(_DELIMITERS, key=lambda each: (_steadiness(lines, each), -_DELIMITERS.index(each)))
    first = _cells(lines[0], delimiter) if lines else []
    rest = [_cells(line, delimiter) for line in lines[1:]]
    return TextLayout(delimiter, header=_is_header(first, rest))


def _cells(line: str, delimiter: str) -> list[str]:
    parts = line.split() if delimiter == " " else line.split(delimiter)
    return [part.strip(' "') for part in parts]


def _steadiness(lines: list[str], delimiter: str) -> float:
    """How many fields nearly all lines agree on; 1 where they do not."""
    widths = [len(_cells(line, delimiter)) for line in lines]
    common = max(set(widths), key=widths.count, default=1)
    return common if widths.count(common) >= _READABLE * len(widths) else 1


def _is_header(first: list[str], rest: list[list[str]]) -> bool:
    """A header has names: distinct texts that do not look like values."""
    if len(set(first)) != len(first) or any(not name or re.fullmatch(r"[-+.,:/0-9 ]+", name) for name in first):
        return False
    known = {*USER_COLUMNS, *TIME_COLUMNS, *EVENT_COLUMNS}
    if any(_name(name) in known for name in first):
        return True
    return any(re.search(r"[0-9@]", cell) for row in rest for cell in row) or not rest


def _name(column: str) -> str:
    """A column's name as names are compared: lower case with underscores."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


class _Guess:
    """The mapping's parts, found one after the other; a column serves once."""

    def __init__(self, sample: pl.DataFrame, layout: TextLayout) -> None:
        self._sample, self._layout = sample, layout
        self._free = {_name(column): column for column in reversed(sample.columns)}
        self._taken: set[str] = set()

    def document(self, text: bool) -> dict[str, Any]:
        """The whole mapping. `text`: the table is a delimited text, whose nulls and layout must be said."""
        document: dict[str, Any] = {"user": self._user()}
        time = self._time()
        event = self._first(EVENT_COLUMNS)
        rows = "events" if time and (event or self._repeats(document["user"]["column"])) else "profiles"
        document |= {"rows": rows} | ({"time": time} if time else {})
        if rows == "events":
            document |= self._events(event)
        elif event:
            self._taken.discard(event)
        document |= _filled("identities", self._named(IDENTITY_COLUMNS))
        document |= _filled("location", self._named(LOCATION_COLUMNS))
        if rows == "events":
            message_id = self._first(MESSAGE_COLUMNS)
            document |= {"message_id": message_id} if message_id else {}
            document |= {"attributes": "rest"}
        else:
            document |= _filled("user_attributes", self._rest())
        return document | (self._text_layout() if text else {})

    def _first(self, names: Iterable[str]) -> str | None:
        name = next((name for name in names if name in self._free), None)
        return None if name is None else self._take(name)

    def _take(self, name: str) -> str:
        column = self._free.pop(name)
        self._taken.add(column)
        return column

    def _named(self, targets: dict[str, str]) -> dict[str, str]:
        """Targets and columns, by the names that are known for them."""
        found: dict[str, str] = {}
        for name, target in targets.items():
            if name in self._free and target not in found:
                found[target] = self._take(name)
        return found

    def _rest(self) -> list[str]:
        return [column for column in self._sample.columns if column not in self._taken]

    def _user(self) -> dict[str, str]:
        for name, identity_type in USER_COLUMNS.items():
            if name in self._free:
                column = self._take(name)
                return {"column": column, **({"as": "mpid"} if name == "mpid" else {"identity_type": identity_type})}
        column = self._sample.columns[0]
        self._free.pop(_name(column), "")
        self._taken.add(column)
        return {"column": column, "identity_type": "customer_id"}

    def _time(self) -> dict[str, str] | None:
        named = [self._free[name] for name in TIME_COLUMNS if name in self._free]
        for column in (*named, *self._rest()):
            unit = self._unit(self._sample[column])
            if unit is not None:
                self._free.pop(_name(column), "")
                self._taken.add(column)
                return {"column": column, "unit": unit}
        return None

    def _unit(self, cells: pl.Series) -> str | None:
        """The unit in which nearly all of the cells are times."""
        given = cells.drop_nulls()
        if cells.dtype in (pl.Boolean(), pl.Time(), pl.Binary()) or cells.dtype.is_nested() or given.is_empty():
            return None
        if isinstance(cells.dtype, pl.Duration):
            return None
        if cells.dtype.is_temporal():
            return "iso"
        if moments_ms(given, "iso", "UTC").count() >= _READABLE * len(given):
            return "iso"
        middle = given.cast(pl.Float64, strict=False).drop_nulls().median()
        if not isinstance(middle, float):
            return None
        return next((unit for unit, low, high in _UNITS if low <= middle < high), None)

    def _repeats(self, column: str) -> bool:
        return self._sample[column].n_unique() < self._sample.height

    def _events(self, event: str | None) -> dict[str, Any]:
        if event is None:
            fields = self._named(FIELD_COLUMNS)
            bought = "total_amount" in fields
            named = {"event": {"value": "purchase" if bought else "event"}}
            kind = {"default_kind": "ecommerce"} if bought else {}
            product = self._named(PRODUCT_COLUMNS) if bought else {}
            return {**named, **kind, **_filled("fields", fields), **_filled("product", product)}
        values = self._sample[event].cast(pl.String).drop_nulls().unique(maintain_order=True)
        kinds = {value: EVENT_MEANINGS[_name(value)] for value in values if _name(value) in EVENT_MEANINGS}
        bought = any(meaning["kind"] == "ecommerce" for meaning in kinds.values())
        product = self._named(PRODUCT_COLUMNS) if bought else {}
        fields = self._named(FIELD_COLUMNS)
        return {
            "event": {"column": event},
            **_filled("kinds", kinds),
            **_filled("fields", fields),
            **_filled("product", product),
        }

    def _text_layout(self) -> dict[str, Any]:
        texts = [self._sample[column] for column in self._sample.columns]
        nulls = [text for text in NULL_TEXTS if text == "" or any((cells == text).any() for cells in texts)]
        layout = {"nulls": nulls, "delimiter": self._layout.delimiter, "header": self._layout.header}
        return layout if self._layout.header else {**layout, "columns": self._sample.columns}


def _filled(key: str, value: Any) -> dict[str, Any]:
    return {key: value} if value else {}
