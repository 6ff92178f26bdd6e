"""Columns out of many documents at once: one list a key, checked by the set of its types, then one polars series.

Whatever is not of the expected type raises Odd: the caller then brings the documents into shape one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any, Final

import numpy as np
import polars as pl

from core.data.batch_shapes import EARLIEST_MS, LATEST_MS, SCALARS, Limits, Odd
from core.data.cells import prefixed, tagged_cells

Object = dict[str, Any]

_NONE: Final = type(None)
_TEXT: Final = frozenset({str, _NONE})
_WHOLE: Final = frozenset({int, _NONE})
_OBJECT: Final = frozenset({dict, _NONE})
_LIST: Final = frozenset({list, _NONE})
_EMPTY: Final[Object] = {}


class Objects(list[Object]):
    """Objects of which some keys were read in one pass: each object comes from far away in memory only once."""

    def __init__(self, objects: Iterable[Object], keys: Sequence[str] = ()) -> None:
        super().__init__(objects)
        self.columns: dict[str, list[Any]] = {}
        self.read(keys)

    def read(self, keys: Sequence[str]) -> None:
        """Reads some more keys in one pass."""
        if self and keys:
            rows = [list(map(each.get, keys)) for each in self]
            self.columns |= zip(keys, map(list, zip(*rows, strict=True)), strict=True)

    def take(self, rows: Sequence[int], keys: Sequence[str]) -> Objects:
        """Some of them, with what was read of these for some keys."""
        chosen = Objects([self[row] for row in rows])
        chosen.columns = {key: [self.columns[key][row] for row in rows] for key in keys}
        return chosen


def values(objects: Sequence[Object], key: str, kinds: frozenset[Any] | None = None) -> list[Any]:
    """The values of a key, None where it is missing; Odd if one is of another kind."""
    if isinstance(objects, Objects) and key in objects.columns:
        found = objects.columns[key]
    else:
        found = [each.get(key) for each in objects]
    if kinds is not None and not kinds.issuperset(map(type, found)):
        raise Odd(key)
    return found


def texts(objects: Sequence[Object], key: str) -> list[str | None]:
    """Texts or None."""
    return values(objects, key, _TEXT)


def flags(objects: Sequence[Object], key: str) -> list[bool | None]:
    """True, False or None."""
    return values(objects, key, frozenset({bool, _NONE}))


def lists(objects: Sequence[Object], key: str) -> list[list[Any]]:
    """Lists, empty where missing or null."""
    return [found or [] for found in values(objects, key, _LIST)]


def bags(objects: Sequence[Object], key: str) -> list[Object]:
    """Objects, empty where missing or null."""
    return [found or _EMPTY for found in values(objects, key, _OBJECT)]


def moments(objects: Sequence[Object], key: str) -> pl.Series:
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


def scalars(found: list[Any], name: str, limits: Limits) -> pl.Series | None:
    """Tagged single values, null for null; None when all are null."""
    kinds = set(map(type, found))
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
    """Tagged values of any kind; null is a value of its own."""
    tag = limits.tag
    tagged = ["s" + each if type(each) is str else f"n{each}" if type(each) is int else tag(each) for each in found]
    return cut_values(pl.Series(name, tagged, dtype=pl.String), limits)


def keyed(found: Sequence[Object], limits: Limits) -> tuple[list[int], pl.Series, pl.Series]:
    """Attribute bags as lengths, keys and tagged values, in document order."""
    keys = list(chain.from_iterable(found))
    tagged = list(chain.from_iterable(map(dict.values, found)))
    names = cut(pl.Series("key", keys, dtype=pl.String), Limits.NAME, limits)
    return list(map(len, found)), names, tag_all(tagged, "value", limits)


def flat_bags(owner: str, found: Sequence[Object], limits: Limits) -> pl.DataFrame:
    """Attribute bags of events or products, at most 100 attributes each: `owner` (which one), key, value."""
    if not any(found):
        return pl.DataFrame()
    longest = max(map(len, found))
    if longest > Limits.ATTRIBUTES:
        limits.cut += sum(len(each) - Limits.ATTRIBUTES for each in found if len(each) > Limits.ATTRIBUTES)
        found = [dict(islice(each.items(), Limits.ATTRIBUTES)) for each in found]
    lengths, keys, tagged = keyed(found, limits)
    return pl.DataFrame([pl.Series(owner, np.repeat(np.arange(len(found), dtype=np.uint32), lengths)), keys, tagged])
