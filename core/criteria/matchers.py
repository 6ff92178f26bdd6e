"""What must be there: matchers judge the values of attributes, identities, properties, counts, aggregates and moments.

A matcher reads a `Dictionary` (free-form values) into a table with one Boolean a code, or judges plain numbers and
moments. Only positive twins are written down; a negative operator is the exact negation of its twin, so a missing or
null value satisfies it (DEFINITION 3.2).
"""

from __future__ import annotations

import math
import operator as compare
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from core.criteria.windows import Window
from core.data.coded import NULL, Dictionary
from core.data.values import Mask, Millis, number_text, version_parts

if TYPE_CHECKING:
    from core.sql import Sql, SqlScope


@dataclass(frozen=True)
class Operator:
    """One operator: its positive twin (itself when positive), and its words in a sentence."""

    name: str
    twin: str
    words: str

    @property
    def negated(self) -> bool:
        """Whether it is the negation of another operator."""
        return self.name != self.twin


def _table(*rows: tuple[str, str, str]) -> dict[str, Operator]:
    return {name: Operator(name, twin, words) for name, twin, words in rows}


PRESENCE: Final = _table(("exists", "exists", "exists"), ("not_exists", "exists", "does not exist"))
TEXT: Final = _table(
    ("contains", "contains", "contains"),
    ("does_not_contain", "contains", "does not contain"),
    ("exact_match", "exact_match", "is exactly"),
    ("does_not_match", "exact_match", "is not"),
    ("pattern", "pattern", "matches the pattern"),
    ("does_not_match_pattern", "pattern", "does not match the pattern"),
    ("starts_with", "starts_with", "starts with"),
    ("does_not_start_with", "starts_with", "does not start with"),
    ("ends_with", "ends_with", "ends with"),
    ("does_not_end_with", "ends_with", "does not end with"),
    ("is_in", "is_in", "is one of"),
    ("is_not_in", "is_in", "is none of"),
    ("matches_regex", "matches_regex", "matches the regular expression"),
    ("does_not_match_regex", "matches_regex", "does not match the regular expression"),
    ("is_empty", "is_empty", "is empty"),
)
LIST: Final = _table(
    ("includes", "includes", "includes"),
    ("does_not_include", "includes", "does not include"),
    ("partial_match", "partial_match", "has an element that contains"),
)
NUMBER: Final = _table(
    ("equals", "equals", "equals"),
    ("not_equals", "equals", "does not equal"),
    ("greater_than", "greater_than", "is greater than"),
    ("at_least", "at_least", "is at least"),
    ("less_than", "less_than", "is less than"),
    ("at_most", "at_most", "is at most"),
    ("between", "between", "is between"),
)

_ORDER: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "equals": compare.eq,
    "greater_than": compare.gt,
    "at_least": compare.ge,
    "less_than": compare.lt,
    "at_most": compare.le,
}


_FEW: Final = 1_000
"""So few texts are judged one by one before polars has begun."""

_PIECE: Final = 100_000
"""So many texts are judged at once; more are judged side by side."""


class Matcher:
    """Judges values; `positive` is the twin's verdict, `negated` whether it is turned round."""

    READS: ClassVar[str] = "any"
    operator: Operator

    def positive(self, dictionary: Dictionary, now_ms: int) -> Mask:
        """The positive twin's verdict on every code of a dictionary: bool, shape (len(dictionary),)."""
        raise AssertionError

    def sql(self, value: Sql, to: SqlScope) -> Sql:
        """The positive twin's verdict on a tagged value; SqlError for what cannot be said."""
        raise AssertionError

    def sql_any(self, value: Sql, to: SqlScope) -> Sql:
        """The verdict on a tagged value that may hold several: one of them must satisfy the twin."""
        return to.some(to.call("values_of", value), lambda each: self.sql(each, to), "each")

    @property
    def words(self) -> str:
        """Operator and value in English."""
        return self.operator.words


@dataclass(frozen=True)
class Presence(Matcher):
    """`exists` holds when the key is there, even with a null value."""

    operator: Operator

    def positive(self, dictionary: Dictionary, now_ms: int) -> Mask:
        verdict = np.zeros(len(dictionary), np.bool_)
        verdict[NULL:] = True
        return verdict

    def sql(self, value: Sql, to: SqlScope) -> Sql:
        return to.present(value)


def _wildcard(pattern: str) -> str:
    """A regular expression for a whole-string wildcard: `*` any run, `?` one code point, all else literal."""
    parts = {"*": ".*", "?": "."}
    return r"(?s)\A" + "".join(parts.get(char) or pl.escape_regex(char) for char in pattern) + r"\z"


@dataclass(frozen=True)
class Text(Matcher):
    """String operators: case-insensitive by Unicode lower case, no normalisation."""

    READS = "string"
    operator: Operator
    value: str | tuple[str, ...] | None

    def positive(self, dictionary: Dictionary, now_ms: int) -> Mask:
        if self.operator.twin == "contains" and isinstance(self.value, str):
            return dictionary.spread(dictionary.containing(self.value.lower()))
        regex = self.operator.twin == "matches_regex"
        texts = dictionary.raw if regex else dictionary.lower
        if len(texts) <= _FEW and (plainly := self._plainly()) is not None:
            few = [text is not None and plainly(text) for text in texts.to_list()]
            return dictionary.spread(np.array(few, np.bool_))
        holds = self._holds(pl.col("text")).fill_null(value=False)
        frame = texts.alias("text").to_frame()
        if len(texts) > 2 * _PIECE:  # polars looks at one text after the other, unless it is given several pieces
            pieces = [frame.slice(at, _PIECE).lazy().select(holds) for at in range(0, len(texts), _PIECE)]
            found = pl.concat(pl.collect_all(pieces))
        else:
            found = frame.select(holds)
        return dictionary.spread(found.to_series().to_numpy())

    def _plainly(self) -> Callable[[str], bool] | None:
        """The verdict on one lower-cased text; None where that takes a pattern."""
        value = self.value
        if value is None:
            return "".__eq__
        if isinstance(value, tuple):
            return frozenset(item.lower() for item in value).__contains__
        wanted = value.lower()
        match self.operator.twin:
            case "exact_match":
                return wanted.__eq__
            case "starts_with":
                return lambda text: text.startswith(wanted)
            case "ends_with":
                return lambda text: text.endswith(wanted)
        return None

    def _holds(self, texts: pl.Expr) -> pl.Expr:
        value = self.value
        if value is None:
            return texts == ""
        if isinstance(value, tuple):
            return texts.is_in([item.lower() for item in value])
        match self.operator.twin:
            case "exact_match":
                return texts == value.lower()
            case "starts_with":
                return texts.str.starts_with(value.lower())
            case "ends_with":
                return texts.str.ends_with(value.lower())
            case "pattern":
                return texts.str.contains(_wildcard(value.lower()))
            case _:
                return texts.str.contains(f"(?i){value}")

    def sql(self, value: Sql, to: SqlScope) -> Sql:
        text = to.call("text_of", value)
        if self.operator.twin == "matches_regex":
            from core.criteria.patterns import re2

            assert isinstance(self.value, str)
            return to.call("regexp_matches", text, to.text(f"(?i){re2(self.value)}"))
        if self.value is None:
            return text.eq(to.text(""))
        lower = to.call("lower_of", text)
        if isinstance(self.value, tuple):
            return lower.isin(*(to.text(item.lower()) for item in self.value))
        wanted = self.value.lower()
        match self.operator.twin:
            case "exact_match":
                return lower.eq(to.text(wanted))
            case "pattern":
                return to.call("regexp_matches", lower, to.text(_wildcard(wanted)))
        return to.call(self.operator.twin, lower, to.text(wanted))

    @property
    def words(self) -> str:
        if self.value is None:
            return self.operator.words
        if isinstance(self.value, tuple):
            shown = ", ".join(self.value[:5]) + (f" and {len(self.value) - 5} more" if len(self.value) > 5 else "")
            return f"{self.operator.words} {shown}"
        return f"{self.operator.words} “{self.value}”"


@dataclass(frozen=True)
class ListMatch(Matcher):
    """List operators: an element equals (`includes`) or contains (`partial_match`) the value, in any case."""

    READS = "list"
    operator: Operator
    value: str

    def positive(self, dictionary: Dictionary, now_ms: int) -> Mask:
        elements, wanted = dictionary.elements, self.value.lower()
        texts = elements["text"]
        found = texts == wanted if self.operator.twin == "includes" else texts.str.contains(wanted, literal=True)
        holds = np.zeros(len(dictionary.texts), np.bool_)
        holds[elements["at"].filter(found).to_numpy()] = True
        return dictionary.spread(holds)

    def sql(self, value: Sql, to: SqlScope) -> Sql:
        wanted = to.text(self.value.lower())

        def holds(element: Sql) -> Sql:
            text = to.call("lower_of", element)
            return text.eq(wanted) if self.operator.twin == "includes" else to.call("contains", text, wanted)

        return to.some(to.call("elements_of", value), holds, "element")

    @property
    def words(self) -> str:
        return f"{self.operator.words} “{self.value}”"


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


@dataclass(frozen=True)
class Number(Matcher):
    """Number operators, exact: decimals that float64 cannot tell apart are compared as decimals."""

    READS = "number"
    operator: Operator
    value: float | tuple[float, float]

    def positive(self, dictionary: Dictionary, now_ms: int) -> Mask:
        numbers = dictionary.number
        holds = self.floats(numbers)
        exact = dictionary.long
        near = self.near(numbers) & ~np.isnan(numbers) if self._wide else np.zeros(len(numbers), np.bool_)
        for at in {*exact, *np.flatnonzero(near).tolist()}:
            holds[at] = self.exactly(dictionary.decimal(at))
        return dictionary.spread(holds)

    def sql(self, value: Sql, to: SqlScope) -> Sql:
        return self._sql(lambda limit: (to.call("number_order", value, to.digits(limit)), to.number(0)))

    def sql_number(self, number: Sql, limit: Callable[[float], Sql]) -> Sql:
        """The twin's verdict on an SQL number; `limit` writes a limit."""
        return self._sql(lambda value: (number, limit(value)))

    def _sql(self, sides: Callable[[float], tuple[Sql, Sql]]) -> Sql:
        if isinstance(self.value, tuple):
            (low, least), (high, most) = (sides(limit) for limit in self.value)
            return (low >= least) & (high <= most)
        left, right = sides(self.value)
        return left.eq(right) if self.operator.twin == "equals" else _ORDER[self.operator.twin](left, right)

    @property
    def _limits(self) -> tuple[float, ...]:
        return self.value if isinstance(self.value, tuple) else (self.value,)

    @property
    def _wide(self) -> bool:
        """Whether a limit has more digits than float64 tells apart."""
        return any(isinstance(limit, int) and abs(limit) > 2**53 for limit in self._limits)

    def floats(self, numbers: npt.NDArray[np.float64]) -> Mask:
        """The twin's verdict on float64 numbers; NaN never holds."""
        if isinstance(self.value, tuple):
            low, high = (float(limit) for limit in self.value)
            return np.asarray((numbers >= low) & (numbers <= high))
        return np.asarray(_ORDER[self.operator.twin](numbers, float(self.value)))

    def wholes(self, numbers: npt.NDArray[np.signedinteger[Any]], scale: int = 1) -> Mask:
        """The twin's verdict on whole numbers divided by `scale`, exact."""
        low, high = _whole_bounds(self.operator.twin, self._limits, scale)
        if low == high:
            return np.asarray(numbers == low)
        holds = np.ones(len(numbers), np.bool_) if low is None else np.asarray(numbers >= low)
        return holds if high is None else holds & (numbers <= high)

    def near(self, numbers: npt.NDArray[np.float64]) -> Mask:
        """Which numbers lie so close to a limit that float64 may not tell the side."""
        close = np.zeros(len(numbers), np.bool_)
        for limit in self._limits:
            close |= np.abs(numbers - float(limit)) <= 1e-9 * max(1e-300, abs(float(limit)))
        return close

    def exactly(self, number: Decimal | Fraction) -> bool:
        """The twin's verdict on one exact number."""
        kind = Fraction if isinstance(number, Fraction) else Decimal
        limits = [kind(_decimal(limit)) for limit in self._limits]
        if len(limits) == 2:
            return bool(limits[0] <= number <= limits[1])
        return bool(_ORDER[self.operator.twin](number, limits[0]))

    @property
    def words(self) -> str:
        return f"{self.operator.words} {' and '.join(number_text(limit) for limit in self._limits)}"


@lru_cache(maxsize=1024)
def _whole_bounds(twin: str, limits: tuple[float, ...], scale: int) -> tuple[int | None, int | None]:
    """The least and the largest whole number that hold, divided by `scale`; None where there is no bound."""
    low, high = (Fraction(_decimal(limit)) * scale for limit in (limits[0], limits[-1]))
    bounds: dict[str, tuple[int | None, int | None]] = {
        "greater_than": (math.floor(low) + 1, None),
        "at_least": (math.ceil(low), None),
        "less_than": (None, math.ceil(low) - 1),
        "at_most": (None, math.floor(low)),
    }
    return bounds.get(twin, (math.ceil(low), math.floor(high)))


@dataclass(frozen=True)
class Version(Matcher):
    """Number operators part by part: `2.10` > `2.9`, missing parts are 0."""

    READS = "version"
    operator: Operator
    value: str | tuple[str, str]

    def positive(self, dictionary: Dictionary, now_ms: int) -> Mask:
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        limits = [version_parts(value) or () for value in values]
        return dictionary.spread(np.array([self._holds(parts, limits) for parts in dictionary.version], np.bool_))

    def _holds(self, parts: tuple[int, ...] | None, limits: list[tuple[int, ...]]) -> bool:
        if parts is None:
            return False
        if len(limits) == 2:
            return limits[0] <= parts <= limits[1]
        return bool(_ORDER[self.operator.twin](parts, limits[0]))

    def sql(self, value: Sql, to: SqlScope) -> Sql:
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        parts = to.call("version_of", value)
        limits = [to.call("version_of", to.text(f"s{value}")) for value in values]
        if len(limits) == 2:
            return (parts >= limits[0]) & (parts <= limits[1])
        return parts.eq(limits[0]) if self.operator.twin == "equals" else _ORDER[self.operator.twin](parts, limits[0])

    @property
    def words(self) -> str:
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        return f"{self.operator.words} {' and '.join(values)}"


@dataclass(frozen=True)
class Boolean(Matcher):
    """`equals` / `not_equals` true or false."""

    READS = "boolean"
    operator: Operator
    value: bool

    def positive(self, dictionary: Dictionary, now_ms: int) -> Mask:
        return dictionary.spread(dictionary.boolean == int(self.value))

    def sql(self, value: Sql, to: SqlScope) -> Sql:
        return to.call("boolean_of", value).eq(to.truth(self.value))

    @property
    def words(self) -> str:
        return f"{self.operator.words} {str(self.value).lower()}"


@dataclass(frozen=True)
class Moment(Matcher):
    """A window as operator: the value read as a date lies inside it."""

    READS = "date"
    operator: Operator
    window: Window

    def positive(self, dictionary: Dictionary, now_ms: int) -> Mask:
        return dictionary.spread(self.moments(dictionary.moment, now_ms))

    def moments(self, moments: Millis, now_ms: int) -> Mask:
        """Which moments lie inside the window; "no moment" never does."""
        first, last = self.window.bounds(now_ms)
        # A window that is open to the past starts far after NO_MOMENT, so the comparison leaves it out.
        return (moments >= first) & (moments <= last)

    def sql(self, value: Sql, to: SqlScope) -> Sql:
        return self.sql_moment(to.call("date_of", value), to)

    def sql_moment(self, moment: Sql, to: SqlScope) -> Sql:
        """Whether an SQL moment in milliseconds lies inside the window; NULL or false for none."""
        return to.all_of([to.present(moment), *to.inside(moment, self.window)])

    @property
    def words(self) -> str:
        return f"is {self.window.sentence}"


def regex_error(pattern: str) -> str | None:
    """Why a regular expression is refused, None if it is good: RE2-style syntax, no look-around, no back-references."""
    try:
        pl.Series([""]).str.contains(f"(?i){pattern}")
    except pl.exceptions.ComputeError as error:
        reasons = [line for line in str(error).splitlines() if line.startswith("error: ")]
        return reasons[0].removeprefix("error: ") if reasons else "it is too big"
    return None
