"""Time windows (DEFINITION 3.3): recency moves with now, dates and calendar units are UTC."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Discriminator, Field, Strict, TypeAdapter, model_validator

from core.criteria.asked import Dated
from core.criteria.base import Model
from core.criteria.dials import Dial
from core.data.values import moment_ms

if TYPE_CHECKING:
    from core.sql import Sql, SqlScope

MS: Final = {
    "seconds": 1000,
    "minutes": 60_000,
    "hours": 3_600_000,
    "days": 86_400_000,
    "weeks": 7 * 86_400_000,
}
DAY_MS: Final = MS["days"]
EVER: Final = 1 << 62
"""Beyond any timestamp, in both directions."""

Unit: TypeAlias = Literal["seconds", "minutes", "hours", "days", "weeks"]
Bounds: TypeAlias = tuple[int, int]
"""First and last millisecond of a window, both included; empty when the first is after the last."""

_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,3})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _date(text: str) -> str:
    if not _DATE.fullmatch(text) or moment_ms(text) is None:
        raise ValueError(f"{text!r} is no date; write it like 2018-09-09")
    return text


def _date_or_instant(text: str) -> str:
    if _DATE.fullmatch(text):
        return _date(text)
    if not _INSTANT.fullmatch(text) or moment_ms(text) is None:
        raise ValueError(f"{text!r} is no date and no instant; write 2018-09-09, or 2018-09-09T12:30:00Z with its zone")
    return text


Date: TypeAlias = Annotated[str, AfterValidator(_date), Dated(times=False)]
DateOrInstant: TypeAlias = Annotated[str, AfterValidator(_date_or_instant), Dated(times=True)]
Amount: TypeAlias = Annotated[
    Annotated[int, Strict()] | Annotated[float, Strict()], Field(gt=0, allow_inf_nan=False, lt=1e9)
]
FromZero: TypeAlias = Annotated[
    Annotated[int, Strict()] | Annotated[float, Strict()], Field(ge=0, allow_inf_nan=False, lt=1e9)
]


def span_ms(amount: float, unit: str) -> int:
    """The length of `amount` units in milliseconds."""
    return round(amount * MS[unit])


def counted(amount: float, unit: str) -> str:
    """ "1 day", "3 days"."""
    return f"{amount:g} {unit.removesuffix('s') if amount == 1 else unit}"


def _opening(text: str) -> int:
    ms = moment_ms(text)
    if ms is None:
        raise ValueError(f"{text!r} is no moment")
    return ms


def _closing(text: str) -> int:
    """The last millisecond that a bound includes: the end of a date, an instant itself."""
    return _opening(text) + (DAY_MS - 1 if _DATE.fullmatch(text) else 0)


def _instant(ms: int) -> str | None:
    """A millisecond as an instant; None where a window is open there."""
    if abs(ms) > EVER // 2:
        return None
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Window(Model):
    """A set of moments; `bounds(now_ms)` are its first and last millisecond, both included."""

    AHEAD: ClassVar[bool] = False
    """Whether it lies in the future: then it is for attribute dates only."""

    def bounds(self, now_ms: int) -> Bounds:
        """First and last millisecond, both included."""
        raise AssertionError

    def wider(self, days: int, now_ms: int) -> Window | None:
        """The window that begins so many days earlier and ends so many later; None beyond the years that dates know."""
        first, last = self.bounds(now_ms)
        try:
            since, until = _instant(first - days * DAY_MS), _instant(last + days * DAY_MS)
        except (OverflowError, ValueError):
            return None
        if since is None or until is None:
            ends = {"type": "before", "date": until} if since is None else {"type": "after", "date": since}
            return None if since is until else window(ends)
        return window({"type": "between_dates", "from": since, "to": until})

    @classmethod
    def form_template(cls) -> str:
        """The template after the choice of the window."""
        return cls.TEMPLATE[cls.TEMPLATE.index("{") :]

    def dials(self) -> Iterator[Dial]:
        """Its amounts of time."""
        unit = str(getattr(self, "unit", ""))
        for key, words in (("amount", unit), ("from", f"{unit} ago, from"), ("to", f"{unit} ago, to")):
            setting = getattr(self, "from_" if key == "from" else key, None)
            if isinstance(setting, int | float):
                yield Dial(key, words, setting, measured=False)

    def said(self, field: str) -> str:
        if field == "unit":
            amount = getattr(self, "amount", None) or getattr(self, "to", None)
            return str(self._value("unit")).removesuffix("s") if amount == 1 else str(self._value("unit"))
        return super().said(field)

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        """The same as SQL over `to.now`; None where it is open."""
        raise AssertionError


class WithinLast(Window):
    CHOICE = "in the last"
    TEMPLATE = "in the last {amount} {unit}"
    START: ClassVar[Mapping[str, Any]] = {"amount": 30, "unit": "days"}
    type: Literal["within_last"]
    amount: Amount
    unit: Unit

    def bounds(self, now_ms: int) -> Bounds:
        return now_ms - span_ms(self.amount, self.unit), now_ms

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        return to.now - span_ms(self.amount, self.unit), to.now


class BetweenAgo(Window):
    CHOICE = "between"
    TEMPLATE = "between {from} and {to} {unit} ago"
    START: ClassVar[Mapping[str, Any]] = {"from": 1, "to": 7, "unit": "days"}
    type: Literal["between_ago"]
    from_: FromZero = Field(alias="from")
    to: FromZero
    unit: Unit

    def bounds(self, now_ms: int) -> Bounds:
        near, far = sorted((span_ms(self.from_, self.unit), span_ms(self.to, self.unit)))
        return now_ms - far, now_ms - near

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        near, far = sorted((span_ms(self.from_, self.unit), span_ms(self.to, self.unit)))
        return to.now - far, to.now - near


class MoreThanAgo(Window):
    CHOICE = "more than"
    TEMPLATE = "more than {amount} {unit} ago"
    START: ClassVar[Mapping[str, Any]] = {"amount": 30, "unit": "days"}
    type: Literal["more_than_ago"]
    amount: Amount
    unit: Unit

    def bounds(self, now_ms: int) -> Bounds:
        return -EVER, now_ms - span_ms(self.amount, self.unit) - 1

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        return None, to.now - (span_ms(self.amount, self.unit) + 1)


class WithinNext(Window):
    CHOICE = "in the next"
    TEMPLATE = "in the next {amount} {unit}"
    AHEAD = True
    START: ClassVar[Mapping[str, Any]] = {"amount": 7, "unit": "days"}
    type: Literal["within_next"]
    amount: Amount
    unit: Unit

    def bounds(self, now_ms: int) -> Bounds:
        return now_ms + 1, now_ms + span_ms(self.amount, self.unit)

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        return to.now + 1, to.now + span_ms(self.amount, self.unit)


class Before(Window):
    CHOICE = "before"
    TEMPLATE = "before {date}"
    type: Literal["before"]
    date: DateOrInstant

    def bounds(self, now_ms: int) -> Bounds:
        return -EVER, _opening(self.date) - 1

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        return None, to.number(_opening(self.date) - 1)


class After(Window):
    CHOICE = "on or after"
    TEMPLATE = "on or after {date}"
    type: Literal["after"]
    date: DateOrInstant

    def bounds(self, now_ms: int) -> Bounds:
        return _opening(self.date), EVER

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        return to.number(_opening(self.date)), None


class On(Window):
    CHOICE = "on"
    TEMPLATE = "on {date}"
    type: Literal["on"]
    date: Date

    def bounds(self, now_ms: int) -> Bounds:
        return _opening(self.date), _closing(self.date)

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        return to.number(_opening(self.date)), to.number(_closing(self.date))


class BetweenDates(Window):
    CHOICE = "between dates"
    TEMPLATE = "between {from} and {to}"
    type: Literal["between_dates"]
    from_: DateOrInstant = Field(alias="from")
    to: DateOrInstant

    @model_validator(mode="after")
    def _in_order(self) -> BetweenDates:
        if _opening(self.from_) > _closing(self.to):
            raise ValueError(f"{self.from_} is after {self.to}; put the earlier one in `from`")
        return self

    def bounds(self, now_ms: int) -> Bounds:
        return _opening(self.from_), _closing(self.to)

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        return to.number(_opening(self.from_)), to.number(_closing(self.to))


def _month_start(year: int, month_index: int) -> date:
    """The first day of a month counted from January of `year`; stays within the years that dates know."""
    years, month = divmod(month_index, 12)
    return date(min(max(year + years, 1), 9999), month + 1, 1)


def _day(today: date, offset: int) -> tuple[date, date]:
    first = today + timedelta(days=offset)
    return first, first


def _week(today: date, offset: int) -> tuple[date, date]:
    first = today - timedelta(days=today.weekday()) + timedelta(weeks=offset)
    return first, first + timedelta(days=6)


def _months(months: int) -> Callable[[date, int], tuple[date, date]]:
    def whole(today: date, offset: int) -> tuple[date, date]:
        start = (today.month - 1) // months * months + offset * months
        last = _month_start(today.year, start + months - 1)
        return _month_start(today.year, start), last.replace(day=calendar.monthrange(last.year, last.month)[1])

    return whole


_CALENDAR: Final = {"day": _day, "week": _week, "month": _months(1), "quarter": _months(3), "year": _months(12)}


class Calendar(Window):
    CHOICE = "calendar"
    TEMPLATE = "in the calendar {unit} {offset}"
    START: ClassVar[Mapping[str, Any]] = {"unit": "month", "offset": -1}
    type: Literal["calendar"]
    unit: Literal["day", "week", "month", "quarter", "year"]
    offset: Annotated[
        int, Strict(), Field(ge=-10_000, le=10_000, description="0 is the one that holds now, −1 the one before it")
    ]

    def bounds(self, now_ms: int) -> Bounds:
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        try:
            first, last = _CALENDAR[self.unit](today, self.offset)
        except OverflowError:
            return (EVER, -EVER)
        return _opening(first.isoformat()), _closing(last.isoformat())

    def said(self, field: str) -> str:
        if field != "offset":
            return str(self._value(field))
        if self.offset == 0:
            return "that holds now"
        count = "" if abs(self.offset) == 1 else f"{abs(self.offset)} "
        return f"{count}{'after' if self.offset > 0 else 'before'} this one"

    def sql_bounds(self, to: SqlScope) -> tuple[Sql | None, Sql | None]:
        begins, ends = (
            to.call("calendar_ms", to.now, to.text(self.unit), to.number(self.offset + at)) for at in (0, 1)
        )
        return begins, ends - 1


AnyWindow: TypeAlias = Annotated[
    WithinLast | BetweenAgo | MoreThanAgo | WithinNext | Before | After | On | BetweenDates | Calendar,
    Discriminator("type"),
]


def _not_ahead(window: Window) -> Window:
    if window.AHEAD:
        raise ValueError("within_next is for attribute dates only: nothing later than now has happened")
    return window


PastWindow: TypeAlias = Annotated[AnyWindow, AfterValidator(_not_ahead)]
"""A window over what has happened."""

WINDOWS: Final[dict[str, type[Window]]] = {
    each.model_fields["type"].annotation.__args__[0]: each for each in get_args(get_args(AnyWindow)[0])
}
"""Every window by its type."""
WINDOW_TYPES: Final = tuple(WINDOWS)

_ADAPTER: Final[TypeAdapter[Window]] = TypeAdapter(AnyWindow)


def window(fields: dict[str, Any]) -> Window:
    """The window of its JSON form; raises pydantic's ValidationError."""
    return _ADAPTER.validate_python(fields)


class Wait(Model):
    """A length of time: `amount` units."""

    TEMPLATE = "{amount} {unit}"
    START: ClassVar[Mapping[str, Any]] = {"amount": 1, "unit": "days"}

    amount: Amount
    unit: Unit

    def said(self, field: str) -> str:
        return self.words if field == "amount" else ""

    def dials(self) -> Iterator[Dial]:
        """Its amount of time."""
        yield Dial("amount", self.unit, self.amount, measured=False)

    @property
    def ms(self) -> int:
        """The length in milliseconds."""
        return span_ms(self.amount, self.unit)

    @property
    def words(self) -> str:
        """ "4 days"."""
        return counted(self.amount, self.unit)
