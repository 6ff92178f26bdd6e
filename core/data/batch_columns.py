"""Columns out of many objects: a few at a time as series, then one series a field, of tagged values for some."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, groupby, islice
from typing import Any, Final, get_type_hints

import numpy as np
import polars as pl
from msgspec import Struct
from msgspec.structs import astuple

from core.data.batch_limits import Limits
from core.data.batch_types import Moment, Scalar, Whole
from core.data.cells import prefixed, tagged_cells

Object = dict[str, Any]
Found = dict[str, Sequence[Any]]
"""What each field of some objects holds."""

SCALAR: Final = None
"""Instead of a type: single values of any type, as tagged texts."""

_DTYPES: Final = {
    str: pl.String(),
    str | None: pl.String(),
    bool | None: pl.Boolean(),
    Whole | None: pl.Int64(),
    Moment | None: pl.Int64(),
    Scalar: SCALAR,
}
_FLOATS: Final = frozenset({float, type(None)})
_FEW: Final = 64


def columns_of(objects: Sequence[Struct]) -> Found:
    """What each field of some structs of one type (one at least) holds."""
    return dict(zip(objects[0].__struct_fields__, zip(*map(astuple, objects), strict=True), strict=True))


def dtypes_of(kind: type[Struct]) -> dict[str, pl.DataType | None]:
    """The types of a struct's fields as columns, of those that can be one."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: _DTYPES[hint] for name, hint in hints.items() if hint in _DTYPES}


class Fields:
    """Columns of objects that come a few at a time, made while these are in the processor's cache."""

    def __init__(self, dtypes: Mapping[str, pl.DataType | None], limits: Limits) -> None:
        self._dtypes, self._limits = dtypes, limits
        self._series: dict[str, list[pl.Series]] = {name: [] for name in dtypes}
        self._sizes = dict.fromkeys(dtypes, 0)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, size: int, found: Mapping[str, Sequence[Any]]) -> None:
        """Takes what so many more objects hold."""
        for name, dtype in self._dtypes.items():
            values = found.get(name)
            if values and not (values[0] is None and values.count(None) == size):
                series = pl.Series(values, dtype=dtype) if dtype is not None else _scalars(values, self._limits)
                self._fill(name, series.dtype)
                self._series[name].append(series)
                self._sizes[name] += size
        self._size += size

    def _fill(self, name: str, dtype: pl.DataType) -> None:
        """Nulls for the objects that did not have a field."""
        if missing := self._size - self._sizes[name]:
            self._series[name].append(nulls(missing, dtype))
            self._sizes[name] = self._size

    def column(self, name: str) -> pl.Series | None:
        """A field, null where it is missing; None where it is everywhere. Tagged values are not cut."""
        if not (series := self._series[name]):
            return None
        self._fill(name, series[-1].dtype)
        if self._dtypes[name] is SCALAR:
            joined = [pl.concat(some) for _, some in groupby(series, lambda each: each.dtype)]
            series = [each if each.dtype == pl.String() else tagged_cells(each) for each in joined]
        return pl.concat(series).alias(name)

    def filled(self, name: str) -> pl.Series:
        """A field, null where it is missing."""
        column = self.column(name)
        return nulls(self._size, self._dtypes[name]).alias(name) if column is None else column

    def single(self, name: str, mask: pl.Series | None = None) -> pl.Series | None:
        """Tagged single values, or texts as such, cut to the limit; None where no object has any. `mask`: of which."""
        column = self.column(name)
        if column is None:
            return None
        column = column if mask is None else column.set(~mask, None)
        tagged = column if self._dtypes[name] is SCALAR else prefixed("s", column)
        return cut(tagged, Limits.VALUE + 1, self._limits)


def nulls(size: int, dtype: pl.DataType | None = None) -> pl.Series:
    """A column of nulls, of texts if nothing is said."""
    return pl.Series([None], dtype=dtype or pl.String()).new_from_index(0, size)


def _scalars(found: Sequence[Any], limits: Limits) -> pl.Series:
    """Tagged single values, null for null; many floats as they are, which are tagged together later."""
    if len(found) > _FEW and type(found[0]) is float and _FLOATS.issuperset(map(type, found)):
        return pl.Series(found, dtype=pl.Float64)
    tag = limits.tag
    tagged = ["s" + each if type(each) is str else None if each is None else tag(each) for each in found]
    return pl.Series(tagged, dtype=pl.String)


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
        most, limits, lengths = self._most, self._limits, [*map(len, found)]
        if most is not None and max(lengths) > most:
            limits.cut += sum(length - most for length in lengths if length > most)
            found = [dict(islice(each.items(), most)) for each in found]
            lengths = [*map(len, found)]
        self._lengths += lengths
        self._keys.append(pl.Series("key", [*chain.from_iterable(found)], dtype=pl.String))
        self._values.append(_tagged(chain.from_iterable(map(dict.values, found)), limits))

    def flat(self, owner: str) -> pl.DataFrame:
        """All of them: `owner` (which one), key, value; without columns where they hold nothing."""
        if not self._keys:
            return pl.DataFrame()
        of = np.repeat(np.arange(len(self._lengths), dtype=np.uint32), self._lengths)
        keys = cut(pl.concat(self._keys), Limits.NAME, self._limits)
        return pl.DataFrame([pl.Series(owner, of), keys, _cut_values(pl.concat(self._values), self._limits)])


def _tagged(found: Iterable[Any], limits: Limits) -> pl.Series:
    """Tagged values of any kind, not cut; null is a value of its own."""
    tag = limits.tag
    tagged = ["s" + each if (kind := type(each)) is str else f"n{each}" if kind is int else tag(each) for each in found]
    return pl.Series("value", tagged, dtype=pl.String)


def _cut_values(tagged: pl.Series, limits: Limits) -> pl.Series:
    """Tagged values, texts cut to the limit and counted; lists were kept to it element by element."""
    is_list = tagged.str.starts_with("l").fill_null(value=False)
    if not is_list.any():
        return cut(tagged, Limits.VALUE + 1, limits)
    return tagged.zip_with(is_list, cut(tagged.set(is_list, None), Limits.VALUE + 1, limits))


def cut(series: pl.Series, length: int, limits: Limits) -> pl.Series:
    """The texts, cut to a number of code points and counted."""
    if series.estimated_size() <= length:  # few texts; to look at each takes longer than what else is done to them
        return series
    longest = series.str.len_bytes().max()
    if longest is None or longest <= length:  # type: ignore[operator]
        return series
    long = int((series.str.len_chars() > length).sum())
    limits.cut += long
    return series.str.slice(0, length) if long else series
