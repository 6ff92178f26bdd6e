"""Columns out of many documents at once: one list a key, checked by the set of its types, then one polars series.

Whatever is not of the expected type raises Odd: the caller then brings the documents into shape one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import Any, Final

import numpy as np
import polars as pl

from core.data.batch_shapes import EARLIEST_MS, LATEST_MS, SCALARS, Limits, Odd
from core.data.cells import prefixed, tagged_cells

Object = dict[str, Any]

_NONE: Final = type(None)
TEXT: Final = frozenset({str, _NONE})
FLAG: Final = frozenset({bool, _NONE})
_WHOLE: Final = frozenset({int, _NONE})
_OBJECT: Final = frozenset({dict, _NONE})
_LIST: Final = frozenset({list, _NONE})
_EMPTY: Final[Object] = {}


class Objects:
    """What some keys of objects hold. They are read when they come: then they are at hand, later far away in memory."""

    def __init__(self, *keys: str) -> None:
        self._columns: dict[str, list[Any]] = {key: [] for key in keys}
        self._kinds: dict[str, set[Any]] = {key: {_NONE} for key in keys}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, objects: Sequence[Object]) -> None:
        """Reads some more objects."""
        there = set(chain.from_iterable(objects))
        for key, column in self._columns.items():
            if key in there:
                column.extend([None] * (self._size - len(column)))
                found = [each.get(key) for each in objects]
                column.extend(found)
                self._kinds[key].update(map(type, found))
        self._size += len(objects)

    def column(self, key: str) -> list[Any]:
        """The values of a key, None where it is missing."""
        column = self._columns[key]
        column.extend([None] * (self._size - len(column)))
        return column

    def kinds(self, key: str) -> set[Any]:
        """The types of a key's values, and perhaps some more; None's among them."""
        return self._kinds[key]

    def check(self, kinds: frozenset[Any], *keys: str) -> None:
        """Raises Odd where a key has a value of another kind."""
        for key in keys:
            if not self.kinds(key) <= kinds:
                raise Odd(key)

    def rows(self, rows: Sequence[int]) -> Objects:
        """Some of them."""
        return self if len(rows) == self._size else _Some(self, rows)


class _Some(Objects):
    """Some of many objects."""

    def __init__(self, every: Objects, rows: Sequence[int]) -> None:
        super().__init__()
        self._every, self._rows, self._size = every, rows, len(rows)

    def kinds(self, key: str) -> set[Any]:
        return self._every.kinds(key)

    def column(self, key: str) -> list[Any]:
        column = self._every.column(key)
        return [column[row] for row in self._rows]


class Bags:
    """Attribute bags, read when they come: their lengths, keys and tagged values, in document order."""

    def __init__(self, most: int | None, limits: Limits) -> None:
        """`most`: so many attributes of a bag are kept, None: all of them."""
        self._most, self._limits = most, limits
        self._lengths: list[int] = []
        self._keys: list[pl.Series] = []
        self._values: list[pl.Series] = []

    def add(self, found: Sequence[Object]) -> None:
        """Takes some more bags."""
        if not any(found):
            self._lengths += [0] * len(found)
            return
        most, limits = self._most, self._limits
        if most is not None and max(map(len, found)) > most:
            limits.cut += sum(len(each) - most for each in found if len(each) > most)
            found = [dict(islice(each.items(), most)) for each in found]
        keys = list(chain.from_iterable(found))
        tagged = list(chain.from_iterable(map(dict.values, found)))
        self._lengths += map(len, found)
        self._keys.append(pl.Series("key", keys, dtype=pl.String))
        self._values.append(tag_all(tagged, "value", limits))

    def flat(self, owner: str) -> pl.DataFrame:
        """All of them: `owner` (which one), key, value; without columns where they hold nothing."""
        if not self._keys:
            return pl.DataFrame()
        of = np.repeat(np.arange(len(self._lengths), dtype=np.uint32), self._lengths)
        keys = cut(pl.concat(self._keys), Limits.NAME, self._limits)
        return pl.DataFrame([pl.Series(owner, of), keys, cut_values(pl.concat(self._values), self._limits)])


def values(objects: Objects | Sequence[Object], key: str, kinds: frozenset[Any] | None = None) -> list[Any]:
    """The values of a key, None where it is missing; Odd if one is of another kind."""
    if isinstance(objects, Objects):
        if kinds is not None:
            objects.check(kinds, key)
        return objects.column(key)
    found = [each.get(key) for each in objects]
    if kinds is not None and not kinds.issuperset(map(type, found)):
        raise Odd(key)
    return found


def texts(objects: Objects | Sequence[Object], key: str) -> list[str | None]:
    """Texts or None."""
    return values(objects, key, TEXT)


def flags(objects: Objects | Sequence[Object], key: str) -> list[bool | None]:
    """True, False or None."""
    return values(objects, key, FLAG)


def lists(objects: Objects | Sequence[Object], key: str) -> list[list[Any]]:
    """Lists, empty where missing or null."""
    return [found or [] for found in values(objects, key, _LIST)]


def bags(objects: Objects | Sequence[Object], key: str) -> list[Object]:
    """Objects, empty where missing or null."""
    return [found or _EMPTY for found in values(objects, key, _OBJECT)]


def moments(objects: Objects | Sequence[Object], key: str) -> pl.Series:
    """UTC milliseconds between the years 1 and 9999, or null."""
    series = whole(values(objects, key, _WHOLE), key)
    least, most = series.min(), series.max()
    if least is not None and (least < EARLIEST_MS or most > LATEST_MS):  # type: ignore[operator]
        raise Odd(key)
    return series


def whole(found: list[int | None], name: str) -> pl.Series:
    """Signed 64-bit numbers or null."""
    try:
        return pl.Series(name, found, dtype=pl.Int64, strict=True)
    except (OverflowError, TypeError, pl.exceptions.PolarsError) as error:
        raise Odd(name) from error


def singles(objects: Objects, key: str, name: str, limits: Limits) -> pl.Series | None:
    """The tagged single values of a key, null for null; None when all are null."""
    kinds = objects.kinds(key)
    return None if kinds <= {_NONE} else scalars(objects.column(key), name, limits, kinds)


def scalars(found: list[Any], name: str, limits: Limits, kinds: set[Any] | None = None) -> pl.Series | None:
    """Tagged single values, null for null; None when all are null. `kinds`: their types, where they are known."""
    kinds = set(map(type, found)) if kinds is None else kinds
    if not kinds <= SCALARS:
        raise Odd(name)
    if kinds <= {_NONE}:
        return None
    return cut(_tagged(found, kinds - {_NONE}, name, limits), Limits.VALUE + 1, limits)


def _tagged(found: list[Any], kinds: set[type], name: str, limits: Limits) -> pl.Series:
    """Tagged single values of some types, null for null; those of one type are tagged together."""
    if kinds == {str}:
        return prefixed("s", pl.Series(name, found, dtype=pl.String))
    if kinds == {float}:
        return tagged_cells(pl.Series(name, found, dtype=pl.Float64))
    tag = limits.tag
    tagged = ["s" + each if type(each) is str else None if each is None else tag(each) for each in found]
    return pl.Series(name, tagged, dtype=pl.String)


def cut_values(tagged: pl.Series, limits: Limits) -> pl.Series:
    """Tagged values, texts cut to the limit and counted; lists were kept to it element by element."""
    is_list = tagged.str.starts_with("l").fill_null(value=False)
    if not is_list.any():
        return cut(tagged, Limits.VALUE + 1, limits)
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(tagged))
    return tagged.zip_with(is_list, cut(tagged.zip_with(~is_list, nothing), Limits.VALUE + 1, limits))


def cut(series: pl.Series, length: int, limits: Limits) -> pl.Series:
    """The texts, cut to a number of code points and counted."""
    longest = series.str.len_bytes().max()
    if longest is None or longest <= length:  # type: ignore[operator]
        return series
    long = int((series.str.len_chars() > length).sum())
    limits.cut += long
    return series.str.slice(0, length) if long else series


def tag_all(found: list[Any], name: str, limits: Limits) -> pl.Series:
    """Tagged values of any kind, not cut; null is a value of its own."""
    tag = limits.tag
    tagged = ["s" + each if type(each) is str else f"n{each}" if type(each) is int else tag(each) for each in found]
    return pl.Series(name, tagged, dtype=pl.String)
