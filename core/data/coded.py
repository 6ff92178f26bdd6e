"""Columns of free-form values: codes into a dictionary of the distinct ones.

So every reading rule (text, number, date, ...) runs once per distinct value, never once per row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from itertools import count
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from core.data import kernels
from core.data.letters import text_arrays
from core.data.values import (
    DATE_PATTERN,
    NO_MOMENT,
    NUMBER_PATTERN,
    Integers,
    Mask,
    Millis,
    moment_ms,
    version_parts,
)

Codes: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
"""Unsigned, as narrow as the dictionary allows."""

ABSENT: Final = 0
NULL: Final = 1
FIRST: Final = 2
"""Codes: 0 the key is absent, 1 it is there with a null value, 2 and up are the dictionary's values."""

LIMB: Final = 1 << 31
"""Whole numbers that may not fit into 63 bits are held in limbs, like digits of this base."""

_FLOAT_DIGITS: Final = 15
"""Decimals of up to 15 significant digits are told apart by float64; longer ones are compared as decimals."""

_SERIALS: Final = count()
_RUNS: Final = 4
"""At most so many stretches of neighbouring codes are compared; more are looked up in a table."""

_MERGES: Final = 4
"""So many common dictionaries are remembered with the first of theirs."""


class Dictionary:
    """The distinct values behind a column's codes and their readings, each computed once.

    Readings are arrays over `texts`, the values flattened: an entry that holds several values (`m`) is several texts
    with one owner. `owner[i]` is the code of text i; `len(dictionary)` is the number of codes (2 + entries).
    """

    def __init__(self, entries: pl.Series) -> None:
        """`entries`: distinct tagged strings, no null and no "z"; entry i gets code i + 2."""
        self.entries = entries
        codes = np.arange(FIRST, FIRST + len(entries), dtype=np.uint32)
        several = entries.str.starts_with("m").to_numpy() if len(entries) else np.zeros(0, np.bool_)
        self.several = bool(several.any())
        """Whether an entry holds several values: else its text has its place."""
        if self.several:
            lists = [orjson.loads(entry[1:]) if entry[0] == "m" else [entry] for entry in entries]
            self.owner: Codes = np.repeat(codes, [len(items) for items in lists])
            self._flat = pl.Series([item for items in lists for item in items], dtype=pl.String)
        else:
            self.owner, self._flat = codes, entries
        self._limbs: dict[int, tuple[Integers, ...]] = {}
        self._addends: dict[int, tuple[tuple[Integers, ...], int]] = {}
        self._halves: dict[int, tuple[Codes, Integers]] = {}
        self.serial = next(_SERIALS)
        """What of this program's dictionaries it is; verdicts on it are remembered under this number."""
        self.merges: dict[tuple[Dictionary, ...], tuple[Dictionary, list[Codes | None]]] = {}
        """What `merge` made of this dictionary and others after it."""

    def __len__(self) -> int:
        return FIRST + len(self.entries)

    def spread(self, positive: Mask) -> Mask:
        """A mask over texts as a mask over codes: an entry holds when one of its values does. Shape (len(self),)."""
        table = np.zeros(len(self), np.bool_)
        if self.several:
            table[self.owner[positive]] = True
        else:
            table[FIRST:] = positive
        return table

    def pick(self, tags: str) -> Mask:
        """Which texts have one of the tags."""
        return self.tags.is_in(list(tags)).to_numpy()

    @cached_property
    def tags(self) -> pl.Series:
        """The types of texts."""
        return self._flat.str.slice(0, 1)

    @cached_property
    def texts(self) -> pl.Series:
        """The texts without their tags."""
        return self._flat.str.slice(1)

    @cached_property
    def raw(self) -> pl.Series:
        """Texts that string operators read, case kept; null for lists and nulls."""
        if not self._flat.str.contains("^[lz]").any():
            return self.texts
        return pl.select(pl.when(pl.lit(self.tags).is_in(["s", "n", "b"])).then(pl.lit(self.texts))).to_series()

    @cached_property
    def places_by_text(self) -> tuple[Integers, pl.Series]:
        """The texts that string operators read, each once, tagged and alphabetical; and for every text its place there,
        -1 for what has none. The same text as a number and as a string is one."""
        known = pl.DataFrame({"text": self.raw, "tag": self.tags}).drop_nulls()
        known = known.group_by("text").agg(pl.col("tag").max()).sort("text")
        places = self.raw.cast(pl.Enum(known["text"])).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        return places, pl.select(pl.concat_str(pl.lit(known["tag"]), pl.lit(known["text"]))).to_series()

    @cached_property
    def lower(self) -> pl.Series:
        """Lower-cased texts that string operators read; null for lists."""
        return self.raw.str.to_lowercase()

    @cached_property
    def _letters(self) -> tuple[Codes, Integers, Mask]:
        """The letters of `lower` in UTF-8 and where each text begins, as `kernels.find` reads them; which are there."""
        lower = self.raw.str.to_lowercase()  # not kept beside its letters
        arrays = text_arrays(lower, "text")
        letters = arrays["text.bytes"].copy()  # of arrays that this program made, memory knows how big they are
        return letters, arrays["text.begins"], lower.is_not_null().to_numpy()

    def containing(self, text: str) -> Mask:
        """Which lower-cased texts contain another."""
        letters, begins, there = self._letters
        return kernels.find(letters, begins, text.encode()) & there

    @cached_property
    def numeric(self) -> Mask:
        """Which texts read as a number."""
        plain_text = self.texts.str.contains(NUMBER_PATTERN).to_numpy()
        return np.asarray(plain_text & self.pick("sn"))

    @cached_property
    def number(self) -> npt.NDArray[np.float64]:
        """Texts read as numbers, NaN where they are none. Beyond 15 digits see `long`."""
        texts = pl.select(pl.when(pl.lit(pl.Series(self.numeric))).then(pl.lit(self.texts))).to_series()
        return texts.cast(pl.Float64, strict=False).fill_null(math.nan).to_numpy().copy()

    @cached_property
    def long(self) -> dict[int, Decimal]:
        """The numbers that float64 may not tell apart, by position: more than 15 digits or out of its range."""
        digits = self.texts.str.replace(r"[eE].*$", "").str.count_matches("[0-9]").to_numpy()
        extreme = ~(np.abs(self.number) < 1e290) | ((np.abs(self.number) < 1e-290) & (self.number != 0))
        zero = (self.number == 0) & self.texts.str.contains("[eE]").to_numpy()
        wide = self.numeric & ((digits > _FLOAT_DIGITS) | extreme | zero)
        return {int(at): Decimal(self.texts[int(at)]) for at in np.flatnonzero(wide)}

    @cached_property
    def decimals(self) -> int:
        """How many decimals the numbers have at most."""
        texts = self.texts.filter(pl.Series(self.numeric))
        plain = texts.str.extract(r"\.([0-9]*)$").str.len_bytes().max()
        wide = (-int(Decimal(text).as_tuple().exponent) for text in texts.filter(texts.str.contains("[eE]")))
        return max([int(str(plain or 0)), *wide])

    def limbs(self, decimals: int) -> tuple[Integers, ...]:
        """Each text's number times 10^decimals (at least its own), 0 where it is none, as whole numbers: either one
        below 2^53, or limbs, lowest first: the sum of limb[i] * LIMB^i, all but the last from 0 to below LIMB."""
        if decimals not in self._limbs:
            with np.errstate(over="ignore", invalid="ignore"):
                scaled = np.where(self.numeric, np.rint(self.number * float(10 ** min(decimals, 300))), 0)
            near = (np.abs(scaled) < 2**53) & (decimals <= 300)
            wild = {*self.long, *np.flatnonzero(self.numeric & ~near).tolist()}
            rest = np.where(near, scaled, 0).astype(np.int64)
            exact = {at: int(Fraction(self.decimal(at)) * 10**decimals) for at in wild}
            self._limbs[decimals] = _split(rest, exact) if exact else (rest,)
        return self._limbs[decimals]

    def over_codes(self, join: np.ufunc, values: Integers) -> Integers:
        """One number a text as one number a code; `join` (add, maximum) joins those of an entry with several values."""
        table = np.full(len(self), 0 if join is np.add else NO_MOMENT, np.int64)
        if self.several:
            join.at(table, self.owner, values)
        else:
            table[FIRST:] = values
        return table

    def addends(self, decimals: int) -> tuple[tuple[Integers, ...], int]:
        """`limbs` as what each code adds to a sum, and the largest of the last of them; remembered."""
        if decimals not in self._addends:
            limbs = tuple(self.over_codes(np.add, limb) for limb in self.limbs(decimals))
            self._addends[decimals] = limbs, int(np.abs(limbs[-1]).max(initial=0))
        return self._addends[decimals]

    def halves(self, decimals: int) -> tuple[Codes, Integers]:
        """The only limb of `addends` as `kernels.add` reads it; remembered."""
        if decimals not in self._halves:
            self._halves[decimals] = kernels.halves(self.addends(decimals)[0][0])
        return self._halves[decimals]

    @cached_property
    def numbers_a_code(self) -> Integers:
        """How many of each code's texts read as a number."""
        return self.over_codes(np.add, self.numeric.astype(np.int64))

    def decimal(self, at: int) -> Decimal:
        """Text `at` as an exact decimal; it must read as a number."""
        return Decimal(self.texts[at])

    @cached_property
    def boolean(self) -> npt.NDArray[np.int8]:
        """1 true, 0 false, -1 neither: booleans and the strings "true" / "false" in any case, never 1 / 0."""
        lower = self.texts.str.to_lowercase()
        readable = self.pick("sb")
        truth = np.full(len(lower), -1, np.int8)
        truth[readable & (lower == "true").to_numpy()] = 1
        truth[readable & (lower == "false").to_numpy()] = 0
        return truth

    @cached_property
    def moment(self) -> Millis:
        """UTC milliseconds of ISO-8601 texts, `NO_MOMENT` for everything else (numbers are no dates)."""
        moments = np.full(len(self.texts), NO_MOMENT, np.int64)
        dated = self.texts.str.contains(DATE_PATTERN).to_numpy() & self.pick("s")
        for at in np.flatnonzero(dated):
            ms = moment_ms(self.texts[int(at)])
            if ms is not None:
                moments[at] = ms
        return moments

    @cached_property
    def version(self) -> list[tuple[int, ...] | None]:
        """Version parts of the texts, None where a part is no number."""
        readable = self.pick("sn")
        return [
            version_parts(text) if ok else None
            for text, ok in zip(self.texts.to_list(), readable.tolist(), strict=True)
        ]

    @cached_property
    def elements(self) -> pl.DataFrame:
        """The lower-cased elements of list values: columns `at` (position of the text) and `text`."""
        positions = np.flatnonzero(self.pick("l"))
        at: list[int] = []
        texts: list[str] = []
        for position in positions.tolist():
            items = orjson.loads(self.texts[position])
            at.extend([position] * len(items))
            texts.extend(items)
        frame = pl.DataFrame({"at": at, "text": texts}, schema={"at": pl.Int64, "text": pl.String})
        return frame.with_columns(pl.col("text").str.to_lowercase())


@dataclass(frozen=True, slots=True)
class Column:
    """One value a row: `codes` (uint32, one a row) into `dictionary`."""

    codes: Codes
    dictionary: Dictionary

    @classmethod
    def of(cls, values: pl.Series) -> Column:
        """The column of a series of tagged strings; null is absent, "z" null."""
        entries = values.unique().drop_nulls()
        entries = in_order(entries.filter(entries != "z"))
        known = pl.Enum(pl.concat([pl.Series(["z"]), entries]))
        physical = (values.cast(known).to_physical().cast(pl.UInt32) + 1).fill_null(ABSENT).to_numpy()
        return cls(narrow(physical, len(entries) + FIRST).copy(), Dictionary(entries))

    @classmethod
    def missing(cls, size: int) -> Column:
        """A column in which every row is absent."""
        return cls(np.zeros(size, np.uint8), Dictionary(pl.Series([], dtype=pl.String)))

    def where(self, table: Mask) -> Mask:
        """Which rows have a code that a table with an entry a code accepts."""
        turns = table[1:] != table[:-1]
        if np.count_nonzero(turns) > 2 * _RUNS:
            return kernels.pick(self.codes, np.zeros(1, np.int64), np.array([len(self.codes)]), table)
        edges = [*([0] if table[0] else []), *(np.flatnonzero(turns) + 1).tolist(), len(table)]
        mask = np.zeros(len(self.codes), np.bool_)
        for first, stop in zip(edges[::2], edges[1::2], strict=False):  # comparing is ten times faster than looking up
            mask |= self.codes == first if stop == first + 1 else (self.codes >= first) & (self.codes < stop)
        return mask

    def take(self, rows: npt.NDArray[np.int64]) -> Column:
        """Some rows of the column."""
        return Column(self.codes[rows], self.dictionary)

    def flat(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The rows that have a value, and the position of its text in the dictionary; several values, several rows."""
        rows = np.flatnonzero(self.codes >= FIRST)
        codes = self.codes[rows]
        if not self.dictionary.several:
            return rows, codes.astype(np.int64) - FIRST
        first = np.searchsorted(self.dictionary.owner, codes, "left")
        counts = np.searchsorted(self.dictionary.owner, codes, "right") - first
        ends = np.cumsum(counts)
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts)
        return np.repeat(rows, counts), np.repeat(first, counts) + within

    def tagged(self) -> pl.Series:
        """The column as tagged strings: null is absent, "z" null."""
        table = pl.concat([pl.Series([None, "z"], dtype=pl.String), self.dictionary.entries])
        return table.gather(pl.Series(self.codes.astype(np.uint32)))


def _split(rest: Integers, exact: dict[int, int]) -> tuple[Integers, ...]:
    """Whole numbers in limbs; those at the places of `exact` are given there, of any size."""
    limbs = []
    while np.abs(rest).max(initial=0) >= LIMB or any(abs(number) >= LIMB for number in exact.values()):
        low, rest = rest % LIMB, rest // LIMB
        for at, number in exact.items():
            exact[at], low[at] = divmod(number, LIMB)
        limbs.append(low)
    for at, number in exact.items():
        rest[at] = number
    return (*limbs, rest)


def in_order(entries: pl.Series) -> pl.Series:
    """Tagged texts ascending, numbers by their size: so the codes that an operator accepts are neighbours."""
    if not len(entries) or not entries.str.starts_with("n").any():
        return entries.sort()
    text = pl.col("entry").str
    number = pl.when(text.starts_with("n")).then(text.slice(1)).cast(pl.Float64, strict=False)
    return entries.alias("entry").to_frame().sort(text.slice(0, 1), number, "entry")["entry"]


def narrow(codes: npt.NDArray[Any], size: int) -> Codes:
    """Codes below `size` in the narrowest unsigned type."""
    return codes.astype(np.min_scalar_type(max(size - 1, 0)), copy=False)


def merge(columns: list[Column]) -> list[Column]:
    """The same columns with one dictionary in common; only dictionaries are compared, never rows.

    The common dictionary is remembered with the first one, so that its readings are made once.
    """
    if len(columns) <= 1:
        return columns
    dictionaries = tuple(column.dictionary for column in columns)
    known = dictionaries[0].merges
    if dictionaries not in known:
        if len(known) >= _MERGES:
            known.clear()
        known[dictionaries] = _common(dictionaries)
    common, mappings = known[dictionaries]
    return [
        Column(column.codes if mapping is None else mapping[column.codes], common)
        for column, mapping in zip(columns, mappings, strict=True)
    ]


def _common(dictionaries: tuple[Dictionary, ...]) -> tuple[Dictionary, list[Codes | None]]:
    """One dictionary of all entries, and for each dictionary the new code of every old one (None: they stay).

    A first one that is much bigger than the others is extended, not made anew.
    """
    first = dictionaries[0].entries
    others = pl.concat([each.entries for each in dictionaries[1:]]).unique()
    if len(first) < 4 * len(others):
        entries = in_order(pl.concat([first, others]).unique())
        return Dictionary(entries), [_places(each, pl.DataFrame({"entry": entries})) for each in dictionaries]
    known = pl.DataFrame({"entry": first}).with_row_index("place").join(pl.DataFrame({"entry": others}), on="entry")
    fresh = others.filter(~others.is_in(known["entry"].implode())).sort()
    added = pl.DataFrame({"entry": fresh, "place": np.arange(len(first), len(first) + len(fresh), dtype=np.uint32)})
    places = pl.concat([known, added.select("place", "entry")])
    common = Dictionary(pl.concat([first, fresh]))
    return common, [None, *(_places(each, places) for each in dictionaries[1:])]


def _places(dictionary: Dictionary, places: pl.DataFrame) -> Codes:
    """The code in a common dictionary (`entry` and its `place`, else its row) of every code of another."""
    placed = places if "place" in places.columns else places.with_row_index("place")
    asked = pl.DataFrame({"entry": dictionary.entries})
    found = asked.join(placed, on="entry", how="left", maintain_order="left")["place"].to_numpy() + np.uint32(FIRST)
    return np.concatenate([np.array([ABSENT, NULL], np.uint32), found])
