"""What people did: `event`, with its frequency or aggregate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from core.criteria.aggregates import aggregate_sql, has_value_sql, totalled_sql
from core.criteria.base import And, Criterion, Pick
from core.criteria.comparison import COMPARISON_KEYS
from core.criteria.dials import Dial, Gap, dials_of, limits, number_gap
from core.criteria.doubts import ADDED, MONEY, Currencies, Doubt, Outside, Stopped
from core.criteria.event_checks import event_problems, event_warnings
from core.criteria.evidence import Condition, Evidence, things, value_words
from core.criteria.frequency import Aggregate, Frequency
from core.criteria.measures import Counts, Measure
from core.criteria.predicates import (
    Predicate,
    ProductPredicate,
    ProductRef,
    Ref,
    Where,
    WhereProduct,
    placed,
)
from core.criteria.qualifying import aggregated, how_many, latest, qualifying, whether
from core.criteria.template import plain_words
from core.criteria.windows import EVER, Bounds, PastWindow, counted
from core.data.events import Rows
from core.data.per_profile import days_counted
from core.data.schema import NAMELESS_KINDS, USER_BASED_KINDS
from core.data.values import Mask
from core.errors import Problem

if TYPE_CHECKING:
    from core.context import Context
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


WIDER = (1, 3, 7, 14, 30)
"""Days around a window in which a near miss may have happened."""


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

    @cached_property
    def qualifies(self) -> str:
        """What of it says which events qualify, time aside."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True, exclude={"frequency", "aggregate", "when"})

    @cached_property
    def measured(self) -> str:
        if self.aggregate is not None:
            shape = self.aggregate.model_dump_json(by_alias=True, exclude=set(COMPARISON_KEYS) | {"from_"})
        else:
            shape = self.frequency.count if self.frequency else "events"
        return self.model_dump_json(by_alias=True, exclude_defaults=True, exclude={"frequency", "aggregate"}) + shape

    def judge(self, scope: Scope) -> Mask:
        matcher = (self.frequency or Frequency()).matcher
        never, once, always = matcher.wholes(np.array([0, 1, 1 << 62])).tolist()
        if self.aggregate is None and never != once and once == always:  # then nothing has to be counted
            some = whether(self, scope, self.reads(scope))
            if some is not None:
                return some if once else ~some
        return super().judge(scope)

    def measure(self, scope: Scope) -> Measure:
        inputs = self.reads(scope)
        if self.aggregate is not None:
            return aggregated(self.aggregate.function, self, self.aggregate.of, scope, inputs)
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

    def doubts(self, scope: Scope) -> Iterator[Doubt]:
        inputs = self.reads(scope)
        yield Outside.of(self.when, scope)
        if self.name is not None:
            spans = scope.spans((-EVER, EVER), without_lookback=True)
            every = list(scope.rows(self.kind, self.name, None, inputs, spans))
            yield Stopped.of(every, scope, f"“{self.name}”")
        if self.aggregate is not None and self.aggregate.function in ADDED and self.aggregate.of.ref[1] in MONEY:
            yield Currencies.of(qualifying(self, scope, inputs), scope)

    def dials(self) -> Iterator[Dial]:
        if self.aggregate is not None:
            yield from (dial.under("aggregate") for dial in self.aggregate.value_dials(self.aggregate.what))
        else:
            frequency = self.frequency or Frequency()
            counted = "times" if frequency.count == "events" else "days"
            yield from (dial.under("frequency") for dial in dials_of("value", frequency.value, counted, whole=True))
        if self.when is not None:
            yield from (dial.under("when") for dial in self.when.dials())
        for place, predicate in self._placed():
            words = predicate.said(predicate.ref[0])
            if isinstance(predicate, ProductPredicate):
                words = f"a product’s {words}"
            yield from (dial.under(place) for dial in predicate.value_dials(words))

    def _placed(self) -> Iterator[tuple[str, Predicate]]:
        yield from placed(self.where, "where")
        yield from placed(self.where_product, "where_product")

    def compared_by(self, key: str) -> Criterion:
        asked = next((each for place, each in self._placed() if key.startswith(f"{place}.value")), None)
        if asked is None:
            return self
        of: dict[str, Any] = dict((asked.ref,))
        if isinstance(asked, ProductPredicate):
            of = {"product": of}
        greatest = {"function": "maximum", "of": of, "operator": "greater_than", "value": 0}
        every = self.model_dump(by_alias=True, exclude_unset=True, exclude={"where", "where_product", "frequency"})
        return type(self).model_validate({**every, "aggregate": greatest})

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

    def weaker(self, now_ms: int) -> Iterator[tuple[str, Criterion]]:
        frequency = self.frequency or Frequency()
        low, high = limits(frequency.matcher, 1.0)
        if self.aggregate is not None or frequency.matcher.operator.negated or low < 1 or high < np.inf:
            return
        values = {"where": (), "where_product": ()} if self.where or self.where_product else {}
        for days in WIDER if self.when is not None else ():
            if self.when is not None and (wider := self.when.wider(days, now_ms)) is not None:
                yield f"within {counted(days, 'days')} of that time", self._with(when=wider)
        if self.when is not None:
            yield "at another time", self._with(when=None)
        if values:
            yield "with other values", self._with(**values)
        if values and self.when is not None:
            yield "with other values at another time", self._with(when=None, **values)
        yield "never" if low <= 1 else "too seldom at any time", And.of()

    def _with(self, **fields: Any) -> Event:
        """This with other fields; a copy of a frozen model would keep its canonical text."""
        return type(self)(**{**{name: getattr(self, name) for name in self.model_fields_set}, **fields})

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
