"""What people did: `event` (frequency, aggregate) and `sequence`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from core.criteria.aggregates import Gathered, Piece, aggregate, aggregate_sql, has_value_sql, totalled_sql
from core.criteria.base import Criterion, Model, Pick
from core.criteria.comparison import (
    COMPARISON_KEYS,
    Comparison,
    Predicate,
    ProductRef,
    Ref,
    Where,
    WhereProduct,
    all_of,
    is_number,
    number_matcher,
    pair,
    predicates,
)
from core.criteria.dials import Dial, Gap, dials_of, number_gap
from core.criteria.doubts import ADDED, MONEY, currencies, outside, stopped
from core.criteria.evidence import LATEST, Condition, Evidence, Happening, dated, moment_words, things, value_words
from core.criteria.measures import Counts, Measure, Moments
from core.criteria.operators import COMPARED
from core.criteria.template import plain_words
from core.criteria.windows import EVER, Bounds, PastWindow, Wait
from core.data import kernels
from core.data.columns import EventStore
from core.data.events import Events, Index, Rows, Spans, counted, days_counted
from core.data.schema import NAMELESS_KINDS, USER_BASED_KINDS
from core.data.values import Column, Mask, Millis
from core.errors import Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.criteria.matchers import Number
    from core.scope import Inputs, Scope
    from core.sql import Sql, SqlScope

EventKind = Literal[
    "custom", "attribution", "ecommerce", "screen_view", "session", "crash", "install", "uninstall", "upgrade", "any"
]
CustomType = Literal[
    "navigation",
    "location",
    "search",
    "transaction",
    "user_content",
    "user_preference",
    "social",
    "media",
    "other",
]
SESSION_DURATION = ("field", "session_duration_ms")
"""It comes from other events, the ends of sessions."""

KIND_WORDS = {
    "custom": ("did any custom event", "did"),
    "attribution": ("had any attribution event", "had the attribution event"),
    "ecommerce": ("did any ecommerce action", "did"),
    "screen_view": ("viewed any screen", "viewed the screen"),
    "session": ("had a session", ""),
    "crash": ("had a crash", ""),
    "install": ("installed", ""),
    "uninstall": ("uninstalled", ""),
    "upgrade": ("upgraded", ""),
    "any": ("did anything", ""),
}
"""What a kind says without a name, and before one."""
CARD_NAMES = {
    "custom": "Custom event",
    "ecommerce": "Ecommerce",
    "screen_view": "Screen view",
    "session": "Session",
    "crash": "Crash",
    "install": "Install",
    "uninstall": "Uninstall",
    "upgrade": "Upgrade",
    "attribution": "Attribution event",
    "any": "Any event",
}


class Frequency(Model):
    """How many qualifying events (or distinct UTC days with one)."""

    TEMPLATE = "{operator} {value} {count}"
    WORDS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "operator": {"greater_than": "more than", "less_than": "fewer than", "equals": "exactly"},
        "count": {"events": "times", "days": "different days"},
    }

    operator: Literal["greater_than", "less_than", "equals", "at_least", "at_most", "between"] = "greater_than"
    value: Any = 0
    count: Literal["events", "days"] = "events"

    @model_validator(mode="before")
    @classmethod
    def _frozen(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("value"), list):
            return {**data, "value": tuple(data["value"])}
        return data

    @model_validator(mode="after")
    def _whole(self) -> Frequency:
        def good(item: Any) -> bool:
            return is_number(item) and item >= 0 and item == int(item)

        if self.operator == "between":
            pair(self.value, good, "whole number from 0")
        elif not good(self.value):
            raise ValueError(f"frequency {self.operator} needs a whole number from 0")
        assert self.matcher
        return self

    @property
    def matcher(self) -> Number:
        """What judges the count."""
        return number_matcher(self.operator, self.value)

    @classmethod
    def shape(cls, field: str, data: Mapping[str, Any]) -> str:
        return "pair" if data.get("operator") == "between" else "number"

    @property
    def _adverb(self) -> str:
        """ "once" and "twice", where they say how many events."""
        return {1: "once", 2: "twice"}.get(self.value, "") if self.count == "events" else ""

    @property
    def sentence(self) -> str:
        """ "at least twice", "on exactly 3 different days"."""
        if self.model_dump(exclude_defaults=True) == {}:
            return "at least once"
        return super().sentence

    def said(self, field: str) -> str:
        if field == "value":
            plain = " and ".join(str(each) for each in self.value) if isinstance(self.value, tuple) else str(self.value)
            return self._adverb or plain
        words = super().said(field)
        if field == "operator" and self.count == "days":
            return f"on {words}"
        if field == "count":
            return "" if self._adverb else words.removesuffix("s") if self.value == 1 else words
        return words


class Aggregate(Comparison):
    """A value computed over the user's qualifying events, compared."""

    TEMPLATE = "with {function} of {of} that " + COMPARED
    START: ClassVar[Mapping[str, Any]] = {
        "function": "sum",
        "of": {"attribute": ""},
        "operator": "greater_than",
        "value": 0,
    }
    WORDS: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "function": {
            "sum": "the sum",
            "average": "the average",
            "minimum": "the least",
            "maximum": "the greatest",
            "unique_count": "the number of different values",
            "first": "the first",
            "last": "the last",
        }
    }

    function: Literal["sum", "average", "minimum", "maximum", "unique_count", "last", "first"]
    of: Ref

    @model_validator(mode="after")
    def _number_operators(self) -> Aggregate:
        if self.function not in ("first", "last") and self.matcher.READS != "number":
            raise ValueError(f"{self.function} is a number: compare it by a number operator, not by {self.operator}")
        return self

    @property
    def what(self) -> str:
        """ "the sum of total amount"."""
        return f"{self.said('function')} of {self.said('of')}"

    @property
    def _is_version(self) -> bool:
        return self.of.ref[0] == "field" and self.of.ref[1] in ("app_version", "os_version")


class Event(Criterion):
    """People with qualifying events: so many of them, or with an aggregate over them."""

    GROUP = "Events"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"type": "event", "kind": kind} for kind, name in CARD_NAMES.items()
    }
    QUICK: ClassVar[Mapping[str, tuple[str, tuple[Mapping[str, Any], ...]]]] = {
        "App version & build": (
            "where",
            ({"field": "app_version", "operator": "exists"}, {"field": "app_build", "operator": "exists"}),
        )
    }
    WORDS: ClassVar[Mapping[str, Mapping[str, str]]] = {"kind": CARD_NAMES}
    START: ClassVar[Mapping[str, Any]] = {"type": "event", "kind": "custom"}
    ADDS: ClassVar[Mapping[str, str]] = {
        "where": "Condition",
        "where_product": "Product condition",
        "aggregate": "Sum, average, last value",
    }
    WHAT: ClassVar[str] = "happened | {frequency|aggregate} {when}"
    """The row after what qualifies."""

    type: Literal["event"]
    kind: EventKind
    name: Annotated[str | None, Pick("event_names")] = None
    custom_type: CustomType | None = None
    inputs: Annotated[tuple[str, ...] | None, Field(min_length=1), Pick("inputs")] = None
    where: tuple[Where, ...] = ()
    where_product: tuple[WhereProduct, ...] = ()
    frequency: Frequency | None = None
    when: PastWindow | None = None
    aggregate: Aggregate | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Event:
        if self.name is not None and (self.kind in NAMELESS_KINDS or self.kind == "any"):
            raise ValueError(f"events of kind {self.kind} have no names; leave name out")
        if self.custom_type is not None and self.kind != "custom":
            raise ValueError("custom_type goes with kind custom only")
        if self.kind != "ecommerce" and (self.where_product or self._of_product):
            raise ValueError("products go with kind ecommerce only")
        if self.frequency is not None and self.aggregate is not None:
            raise ValueError("give frequency or aggregate, not both")
        return self

    @property
    def _of_product(self) -> bool:
        return self.aggregate is not None and isinstance(self.aggregate.of, ProductRef)

    @property
    def measured(self) -> str:
        if self.aggregate is not None:
            shape = self.aggregate.model_dump_json(by_alias=True, exclude=set(COMPARISON_KEYS) | {"from_"})
        else:
            shape = self.frequency.count if self.frequency else "events"
        return self.model_dump_json(by_alias=True, exclude_defaults=True, exclude={"frequency", "aggregate"}) + shape

    def measure(self, scope: Scope) -> Measure:
        inputs = self.reads(scope)
        if self.aggregate is not None:
            gathered = gather(self, self.aggregate.of, qualifying(self, scope, inputs), scope)
            return aggregate(self.aggregate.function, gathered)
        if self.frequency is not None and self.frequency.count == "days":
            return Counts(days_counted(qualifying(self, scope, inputs), scope.size))
        return Counts(how_many(self, scope, inputs))

    def match(self, measure: Measure, scope: Scope) -> Mask:
        if self.aggregate is not None:
            return self.aggregate.holds(measure, scope) & measure.present()
        return measure.positive((self.frequency or Frequency()).matcher, scope)

    def sql(self, to: SqlScope) -> Sql:
        rows = self.sql_rows(to, to.reads(self.inputs, user_based=self.kind in USER_BASED_KINDS))
        if self.aggregate is not None:
            function, values = self.aggregate.function, self.sql_values(self.aggregate.of, rows, to)
            holds = aggregate_sql(function, values, self.aggregate, to)
            return to.all_of([holds, has_value_sql(function, values, to)])
        frequency = self.frequency or Frequency()
        if frequency.value == 0 and frequency.operator == "greater_than":
            return to.members(rows.select("mpid"))
        total = to.distinct(to.column("day", "e")) if frequency.count == "days" else to.count()
        return totalled_sql(rows, frequency.matcher.sql_number(total, to.number), frequency.matcher, to)

    def sql_rows(self, to: SqlScope, reads: Sql, lookback: bool = True, when: tuple[PastWindow, ...] = ()) -> Sql:
        """The events `e` that satisfy everything but frequency and aggregate, within the windows `when` too."""
        rows = to.events(self.kind, self.name, self.custom_type, reads, lookback)
        windows = (*when, self.when) if self.when else when
        for window in windows:
            rows = rows.where(*to.inside(to.column("timestamp_ms", "e"), window))
        if self.where:
            rows = rows.where(*(entry.sql(to, self.sql_property(to)) for entry in self.where))
        if self.where_product:
            rows = rows.where(to.some(to.column("products", "e"), lambda _: self.sql_product(to), "product"))
        return rows

    def sql_property(self, to: SqlScope) -> Callable[[str, str], Sql]:
        """How a property of the event `e` is written."""

        def written(where: str, name: str) -> Sql:
            if where == "attribute":
                return to.call("attribute_of", to.column("attributes", "e"), to.text(name))
            if name == "session_duration_ms" and self.kind in ("session", "any"):
                return to.session_duration(only=self.kind == "session")
            return to.column(name, "e")

        return written

    def sql_product(self, to: SqlScope) -> Sql:
        """Whether the product `product` satisfies `where_product`."""

        def written(where: str, name: str) -> Sql:
            if where == "attribute":
                return to.call("attribute_of", to.column("attributes", "product"), to.text(name))
            return to.column(name, "product")

        return to.all_of(entry.sql(to, written) for entry in self.where_product)

    def sql_values(self, of: Ref, rows: Sql, to: SqlScope) -> Sql:
        """The values of a property of qualifying events or of their products, as `aggregates` reads them."""
        who = [to.column(name, "e") for name in ("mpid", "timestamp_ms", "arrival")]
        if not isinstance(of, ProductRef):
            value, nowhere = self.sql_property(to)(*of.ref), to.number(0)
            return rows.select(*who, value.as_("value"), nowhere.as_("inner_place"))
        rows = rows.join(to.unnested(to.column("products", "e"), "product", "inner_place"), join_type="cross")
        if self.where_product:
            rows = rows.where(self.sql_product(to))
        where, name = of.ref
        value = (
            to.column(name, "product")
            if where == "field"
            else to.call("attribute_of", to.column("attributes", "product"), to.text(name))
        )
        return rows.select(*who, value.as_("value"), to.column("inner_place"))

    def reads(self, scope: Scope) -> Inputs:
        """The inputs whose events count."""
        return scope.choose_inputs(self.inputs, user_based=self.kind in USER_BASED_KINDS)

    @classmethod
    def template(cls, data: Mapping[str, Any]) -> str:
        kind = data.get("kind")
        named = kind is not None and kind not in (*NAMELESS_KINDS, "any")
        what = "{kind} {name}" if named else "{kind}"
        rows = [f"did | {what} [of type {{custom_type}}]" if kind == "custom" else f"did | {what}", "where {where}"]
        if kind == "ecommerce":
            rows.append("where a product’s {where_product}")
        return "\n".join([*rows, *([cls.WHAT] if cls.WHAT else []), "through {inputs}"])

    @classmethod
    def event_of(cls, data: Mapping[str, Any]) -> tuple[str, str | None]:
        """Kind and name of the events that it looks at."""
        return data.get("kind") or "any", data.get("name")

    def said(self, field: str) -> str:
        if field == "kind":
            return KIND_WORDS[self.kind][self.name is not None]
        if field == "name" and self.name is not None:
            return f"“{plain_words(self.name) if self.kind == 'ecommerce' else self.name}”"
        return super().said(field)

    def doubts(self, scope: Scope) -> Iterator[str]:
        inputs = self.reads(scope)
        found = [None if self.when is None else outside(self.when, scope)]
        if self.name is not None:
            spans = scope.spans((-EVER, EVER), without_lookback=True)
            every = list(scope.rows(self.kind, self.name, None, inputs, spans))
            found.append(stopped(every, scope, f"“{self.name}”"))
        if self.aggregate is not None and self.aggregate.function in ADDED and self.aggregate.of.ref[1] in MONEY:
            found.append(currencies(qualifying(self, scope, inputs), scope))
        yield from (each for each in found if each is not None)

    def dials(self) -> Iterator[Dial]:
        if self.aggregate is not None:
            yield from (dial.under("aggregate") for dial in self.aggregate.value_dials(self.aggregate.what))
        else:
            frequency = self.frequency or Frequency()
            counted = "times" if frequency.count == "events" else "days"
            yield from (dial.under("frequency") for dial in dials_of("value", frequency.value, counted, whole=True))
        if self.when is not None:
            yield from (dial.under("when") for dial in self.when.dials())

    def with_defaults(self) -> dict[str, Any]:
        data = super().with_defaults()
        return data if self.aggregate or self.frequency else {**data, "frequency": Frequency().model_dump()}

    def gap(self, scope: Scope, wanted: bool) -> Gap | None:
        measure = scope.measure(self)
        if self.aggregate is not None:
            return self.aggregate.gap_of(measure, scope, wanted)
        frequency = self.frequency or Frequency()
        values = measure.numbers()
        assert values is not None, "counts are numbers"
        unit = "days" if frequency.count == "days" else "events"
        return Gap(unit, number_gap(frequency.matcher, values, wanted, whole=True), whole=True)

    @property
    def what(self) -> str:
        """The kind and name of its events in English."""
        return f"{self.said('kind')} {self.said('name')}".rstrip()

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """The events that count and their value, with what each condition leaves."""
        rows, conditions = self.funnel(scope, profile, self.reads(scope))
        value = scope.measure(self).at(profile)
        holds = bool(scope.judge(self)[profile])
        if self.aggregate is not None:
            asked = self.aggregate.sentence.removeprefix("with ")
            name = self.aggregate.what
            found = f"{name} is {value_words(value)}" if value is not None else f"there is no {name}"
            found = f"{found}, over {things(sum(map(len, rows)), 'event')}"
        else:
            frequency = self.frequency or Frequency()
            asked = frequency.sentence
            found = f"{things(value, 'day' if frequency.count == 'days' else 'event')} count"
            found += "s" if value <= 1 else ""
        conditions.append(Condition(asked, holds, value if isinstance(value, int) else None))
        return Evidence(f"{found}; asked: {asked}", value, latest(rows), tuple(conditions))

    def funnel(
        self, scope: Scope, profile: int, inputs: Inputs, bounds: Bounds = (-EVER, EVER)
    ) -> tuple[list[Rows], list[Condition]]:
        """A profile's events that count within `bounds`, and what is left after each condition."""
        found: list[Rows] = []
        conditions: list[Condition] = []
        whose = np.arange(scope.size) == profile

        def keep(text: str, event: Event) -> None:
            nonlocal found
            rows = qualifying(event, scope, inputs, bounds)
            found = [mine for part in rows if len(mine := part.of_profiles(whose))]
            left = sum(map(len, found))
            conditions.append(Condition(text, left > 0, left))

        named: dict[str, Any] = {"kind": self.kind, "name": self.name, "custom_type": self.custom_type}
        keep(self.what, Event(type="event", **named))
        if self.when is not None:
            named["when"] = self.when
            keep(self.when.sentence, Event(type="event", **named))
        for at, entry in enumerate(self.where, 1):
            keep(f"where {entry.sentence}", Event(type="event", **named, where=self.where[:at]))
        if self.where_product:
            sentence = " and ".join(entry.sentence for entry in self.where_product)
            whole = Event(type="event", **named, where=self.where, where_product=self.where_product)
            keep(f"where a product’s {sentence}", whole)
        return found, conditions

    def problems(self, context: Context, path: str) -> Iterator[Problem]:
        among = context.every_input if self.kind in USER_BASED_KINDS else context.inputs
        yield from event_problems(self, context, path, among)

    def warnings(self, context: Context, path: str) -> Iterator[Problem]:
        yield from event_warnings(self, context, path)


def event_problems(event: Event, context: Context, path: str, among: Inputs) -> Iterator[Problem]:
    """Inputs that the criterion may not read, and events that are kept out of audiences."""
    chosen, unknown = context.resolve(event.inputs, among)
    for name in unknown:
        yield Problem(path, f"The input {name!r} is not among the audience's.", "Choose one of the audience's inputs.")
    for workspace in sorted({one[0] for one in chosen}):
        tier = context.known[workspace].tiers.get((event.kind, event.name), "personalize")
        if event.name is not None and tier != "personalize":
            yield demoted_problem(path, event.kind, event.name, workspace, tier)


def demoted_problem(path: str, kind: str, name: str, workspace: str, tier: str) -> Problem:
    """The problem of naming an event outside of the tier Personalize."""
    message = f"The {kind} event {name!r} is in the tier {tier} in {workspace}, so no criterion can use it."
    return Problem(path, message, "Set its tier to personalize, or choose another event.")


def event_warnings(event: Event, context: Context, path: str) -> Iterator[Problem]:
    """Event names and attributes that the data never held."""
    if event.name is not None and not any(
        context.knows(f"events:{event.kind}", workspace, event.name) for workspace in context.workspaces
    ):
        yield Problem(path, f"The data holds no {event.kind} event named {event.name!r}.", "Nobody has done it.")
    for entry in predicates(event.where):
        if entry.attribute is not None and not any(
            context.knows("event_attributes", workspace, entry.attribute) for workspace in context.workspaces
        ):
            yield Problem(path, f"No event has the attribute {entry.attribute!r}.", "It is missing for everyone.")


def qualifying(
    event: Event, scope: Scope, inputs: Inputs, bounds: Bounds = (-EVER, EVER), without_lookback: bool = False
) -> list[Rows]:
    """The events that satisfy everything but frequency and aggregate, within `bounds` too."""
    return list(_in_spans(event, scope, inputs, scope.spans(_both(event, scope, bounds), without_lookback)))


def how_many(
    event: Event, scope: Scope, inputs: Inputs, bounds: Bounds = (-EVER, EVER), without_lookback: bool = False
) -> npt.NDArray[np.signedinteger[Any]]:
    """How many events qualify, a whole number a profile."""

    def count(spans: Spans) -> npt.NDArray[Any]:
        return counted(_in_spans(event, scope, inputs, spans), scope.size)

    spans = scope.spans(_both(event, scope, bounds), without_lookback)
    moving = (each.matcher.READS == "date" or each.ref == SESSION_DURATION for each in predicates(event.where))
    if any(moving) or any(each.matcher.READS == "date" for each in predicates(event.where_product)):
        return count(spans)  # what qualifies depends on now
    shape = event.model_dump_json(by_alias=True, exclude_defaults=True, exclude={"frequency", "aggregate", "when"})
    return scope.tally((shape, inputs), spans, count)


def _both(event: Event, scope: Scope, bounds: Bounds) -> Bounds:
    first_ms, last_ms = event.when.bounds(scope.now_ms) if event.when else (-EVER, EVER)
    return max(first_ms, bounds[0]), min(last_ms, bounds[1])


def _in_spans(event: Event, scope: Scope, inputs: Inputs, spans: Spans) -> Iterator[Rows]:
    for rows in scope.rows(event.kind, event.name, event.custom_type, inputs, spans):
        if not event.where and not event.where_product:
            yield rows
        else:
            narrowed = (_narrow(store, mine, event, scope) for store, mine in rows.by_store())
            yield from (mine for mine in narrowed if len(mine))


def _narrow(store: EventStore, rows: Rows, event: Event, scope: Scope) -> Rows:
    if event.where:

        def leaf(predicate: Predicate) -> Mask:
            column = scope.event_column(store, *predicate.ref)
            return _verdict(predicate, rows.picked(column.codes, _table(predicate, column, scope), store.start))

        rows = rows.where(all_of(event.where, leaf, rows.size))
    if event.where_product:
        hit = np.zeros(store.size, np.bool_)
        hit[store.products.owner[product_rows(event, store, rows, scope)]] = True
        rows = rows.where(Rows(rows.events, rows.first, rows.last).take(hit, store.start))
    return rows


def _table(predicate: Predicate, column: Column, scope: Scope) -> Mask:
    return scope.positive(predicate.matcher, column.dictionary)


def _verdict(predicate: Predicate, positive: Mask) -> Mask:
    return ~positive if predicate.matcher.operator.negated else positive


def product_rows(event: Event, store: EventStore, rows: Rows, scope: Scope) -> Index:
    """The products (row numbers in the store's products) of some events that satisfy `where_product`."""
    products = store.products
    wanted = np.zeros(store.size, np.bool_)
    wanted[rows.index() - store.start] = True
    found = np.flatnonzero(wanted[products.owner])

    def leaf(predicate: Predicate) -> Mask:
        column = products.column(*predicate.ref)
        return _verdict(predicate, _table(predicate, column, scope)[column.codes[found]])

    return found[all_of(event.where_product, leaf, len(found))]


def latest(rows: list[Rows]) -> tuple[Happening, ...]:
    """The latest few of some events."""
    newest = sorted(
        ((at, int(part.events.arrival[row]), row, part.events) for part in rows for at, row in _newest(part)),
        key=lambda each: each[:2],
        reverse=True,
    )
    return tuple(_happening(events, row, at) for at, _, row, events in newest[:LATEST])


def _newest(rows: Rows) -> list[tuple[int, int]]:
    times, index = rows.times(), rows.index()
    order = np.lexsort((rows.events.arrival[index], times))[-LATEST:]
    return [(int(times[at]), int(index[at])) for at in order]


def _happening(events: Events, row: int, at_ms: int) -> Happening:
    names, codes = events.inputs
    group = events.group_of(row)
    return Happening(dated(at_ms), group.workspace, names[int(codes[row])], group.kind, group.name)


def gather(event: Event, of: Ref, rows: list[Rows], scope: Scope) -> Gathered:
    """The values of a property of qualifying events, or of their products that satisfy `where_product`."""
    pieces = []
    for part in rows:
        for store, mine in part.by_store():
            if isinstance(of, ProductRef):
                found = product_rows(event, store, mine, scope)
                index, column = store.products.owner[found] + store.start, store.products.column(*of.ref)
                pieces.append(Piece(part.events, index, part.events.profile[index], column.take(found)))
            else:
                column = scope.event_column(store, *of.ref)
                taken = Column(mine.take(column.codes, store.start), column.dictionary)
                pieces.append(Piece(part.events, mine, mine.take(part.events.profile), taken))
    return Gathered(scope.size, pieces)


class Step(Event):
    """One step of a sequence: an event without frequency and aggregate."""

    WHAT = "happened | {when}"

    @model_validator(mode="after")
    def _bare(self) -> Step:
        if self.frequency is not None or self.aggregate is not None:
            raise ValueError("a step of a sequence has no frequency and no aggregate")
        return self


class Sequence(Criterion):
    """People who did one thing after the other, strictly later each time."""

    GROUP = "Events"
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "Sequence of steps": {
            "type": "sequence",
            "steps": [{"type": "event", "kind": "custom"}, {"type": "event", "kind": "custom"}],
        }
    }
    ADDS: ClassVar[Mapping[str, str]] = {"steps": "Step", "within": "Time limit"}
    TEMPLATE = "steps | {steps}\nall within {within}\nhappened | {when}"

    type: Literal["sequence"]
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    within: Wait | None = None
    when: PastWindow | None = None

    def measure(self, scope: Scope) -> Moments:
        """The moment of the latest completion that is quick enough."""
        bounds = self.when.bounds(scope.now_ms) if self.when else (-EVER, EVER)
        steps = [
            qualifying(step, scope, scope.choose_inputs(step.inputs, user_based=False), bounds) for step in self.steps
        ]
        return Moments(completions(steps, self.within.ms if self.within else None, scope.size))

    def match(self, measure: Measure, scope: Scope) -> Mask:
        return measure.present()

    def doubts(self, scope: Scope) -> Iterator[str]:
        if self.when is not None and (doubt := outside(self.when, scope)):
            yield doubt
        for step in self.steps:
            yield from step.doubts(scope)

    def dials(self) -> Iterator[Dial]:
        if self.within is not None:
            yield from (dial.under("within") for dial in self.within.dials())
        if self.when is not None:
            yield from (dial.under("when") for dial in self.when.dials())

    def evidence(self, scope: Scope, profile: int) -> Evidence:
        """The latest completion, and how many events each step has."""
        bounds = self.when.bounds(scope.now_ms) if self.when else (-EVER, EVER)
        counted: list[Rows] = []
        conditions = []
        for step in self.steps:
            rows, funnel = step.funnel(scope, profile, scope.choose_inputs(step.inputs, user_based=False), bounds)
            counted += rows
            left = funnel[-1].left
            conditions.append(Condition(step.sentence, bool(left), left))
        value = scope.measure(self).at(profile)
        done = value is not None
        asked = "one after the other" + (f", within {self.within.words}" if self.within else "")
        conditions.append(Condition(asked, done))
        found = f"completed at {moment_words(round(value.timestamp() * 1000))}" if done else "never completed"
        return Evidence(f"{found}; asked: {asked}", value, latest(counted), tuple(conditions))

    def said(self, field: str) -> str:
        return " and then ".join(step.sentence for step in self.steps) if field == "steps" else super().said(field)

    def sql(self, to: SqlScope) -> Sql:
        when = (self.when,) if self.when else ()
        chain: Sql = None
        for step in self.steps:
            rows = step.sql_rows(to, to.reads(step.inputs, user_based=False), when=when)
            chain = to.chained(chain, rows.select("e.mpid", "e.timestamp_ms"))
        done = to.select(chain.subquery("c"))
        if self.within is not None:
            done = done.where(to.column("timestamp_ms") - to.column("begun") <= self.within.ms)
        return to.members(done.select("mpid"))

    def problems(self, context: Context, path: str) -> Iterator[Problem]:
        for at, step in enumerate(self.steps):
            yield from event_problems(step, context, f"{path}.steps[{at}]", context.inputs)

    def warnings(self, context: Context, path: str) -> Iterator[Problem]:
        for at, step in enumerate(self.steps):
            yield from event_warnings(step, context, f"{path}.steps[{at}]")


def completions(steps: list[list[Rows]], within_ms: int | None, size: int) -> Millis:
    """Each profile's latest completion of the steps in strictly ascending time, `NO_MOMENT` where there is none."""
    everybody = np.ones(size, np.bool_)
    for rows in steps:
        everybody &= counted(rows, size) > 0
    profile, times, number = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)], [np.zeros(0, np.uint16)]
    for at, rows in enumerate(steps):
        for part in rows:
            mine = part.of_profiles(everybody)
            profile.append(mine.take(mine.events.profile))
            times.append(mine.times())
            number.append(np.full(len(times[-1]), at, np.uint16))
    whole = np.concatenate(profile), np.concatenate(times), np.concatenate(number)
    return kernels.chain(*whole, len(steps), within_ms, size)
