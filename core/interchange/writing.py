"""Ours as a document of mParticle's audience schema (the words: core.interchange.vocabulary)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatchmethod
from typing import Any, Final

from core.audience import Audience
from core.criteria import And, Criterion, Not, Or
from core.criteria.attribution import Attribution
from core.criteria.calculated import CalculatedAttributeCriterion
from core.criteria.commerce import CartAbandonment
from core.criteria.comparison import Comparison
from core.criteria.events import Event
from core.criteria.frequency import Frequency
from core.criteria.matchers import Boolean, Moment, Number, Presence, Version
from core.criteria.memberships import AudienceMembership
from core.criteria.places import PARTS, Location
from core.criteria.predicates import Predicate, ProductRef
from core.criteria.seen import FirstSeen, LastSeen
from core.criteria.sequences import Sequence
from core.criteria.users import Consent, Device, Identity, ProfileCriterion, UserAttribute
from core.criteria.windows import (
    After,
    Before,
    BetweenAgo,
    BetweenDates,
    Calendar,
    MoreThanAgo,
    On,
    Window,
    WithinLast,
    WithinNext,
)
from core.data.schema import USER_BASED_KINDS
from core.errors import Problem
from core.interchange import vocabulary as words
from core.interchange.vocabulary import Expression, absolute, binary, group, none, relative, some, unary

HOLE: Final = "not_said"
"""The model in whose place something stands that the schema cannot say; its path is ours."""

DATE_LENGTH: Final = len("2018-09-09")


@dataclass(frozen=True)
class Written:
    """A document of mParticle's schema.

    `unsaid`: what of the definition the schema cannot say, each with its path; in its place the document holds
    `{"operator": "exists", "operand": {"model": "not_said", "path": PATH}}`, so nothing is dropped silently.
    `notes`: what has no place in the schema and selects nobody, such as the name.
    """

    document: dict[str, Any]
    unsaid: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def to_mparticle(audience: Audience) -> Written:
    """The audience in mParticle's words: its definition, lookback, inputs and workspaces, and what cannot be said."""
    writer = _Writer(audience)
    root = writer.node(audience.root, "root")
    seen = group("or", [binary("equals", words.WORKSPACE, name) for name in audience.workspaces])
    document = {"schema_version": words.SCHEMA_VERSION, "audience": group("and", [seen, root])}
    return Written(document, tuple(writer.unsaid), tuple(_notes(audience)))


def _notes(audience: Audience) -> list[Problem]:
    hint = "Give it again when the document is read."
    said = [("name", audience.name), ("external_name", audience.external_name)]
    notes = [Problem("", f"The schema has no {key}: {value!r} is left out.", hint) for key, value in said if value]
    kinds = [node for _, node in audience.nodes() if isinstance(node, Event | Sequence | CartAbandonment)]
    idle = {
        "inputs": audience.inputs and not any(map(_event_based, kinds)),
        "lookback_days": audience.lookback_days and not kinds,
    }
    for key, given in idle.items():
        if given:
            notes.append(Problem("", f"{key} is left out: no criterion reads the events that it narrows.", hint))
    return notes


def _event_based(node: Criterion) -> bool:
    return not isinstance(node, Event) or node.kind not in USER_BASED_KINDS


class _Writer:
    """Writes nodes; what cannot be said is remembered with its path and leaves a hole."""

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self.unsaid: list[Problem] = []

    def _hole(self, path: str, message: str, hint: str = "") -> Expression:
        self.unsaid.append(Problem(path, message, hint))
        return unary("exists", {"model": HOLE, "path": path})

    # --- nodes ---------------------------------------------------------------------------------------------------

    @singledispatchmethod
    def node(self, node: Criterion, path: str) -> Expression:
        """The expression of a node."""
        return self._hole(path, f"mParticle's schema cannot say a criterion of type {node.kind_of_node}.")

    @node.register
    def _(self, node: And, path: str) -> Expression:
        return self._joined("and", node, path)

    @node.register
    def _(self, node: Or, path: str) -> Expression:
        return self._joined("or", node, path)

    def _joined(self, operator: str, node: And | Or, path: str) -> Expression:
        parts = [self.node(each, f"{path}.criteria[{at}]") for at, each in enumerate(node.criteria)]
        made = group(operator, parts)
        return some(words.USER, made) if words.one_criterion(made) else made

    @node.register
    def _(self, node: Not, path: str) -> Expression:
        return none(words.USER, self.node(node.criterion, f"{path}.criterion"))

    @node.register
    def _(self, node: UserAttribute, path: str) -> Expression:
        return self.compared(_operand(node, words.USER, node.attribute), node, path)

    @node.register
    def _(self, node: CalculatedAttributeCriterion, path: str) -> Expression:
        return self.compared(_operand(node, words.CALCULATED, node.name), node, path)

    @node.register
    def _(self, node: Identity, path: str) -> Expression:
        return self.compared(_operand(node, words.IDENTITIES, node.identity_type), node, path)

    @node.register
    def _(self, node: Device, path: str) -> Expression:
        return self.compared(_operand(node, words.DEVICES, node.field), node, path)

    @node.register
    def _(self, node: FirstSeen, path: str) -> Expression:
        return self._window(_operand(node, words.PROFILE, "first_seen"), node.when, path)

    @node.register
    def _(self, node: LastSeen, path: str) -> Expression:
        return self._window(_operand(node, words.PROFILE, "last_seen"), node.when, path)

    @node.register
    def _(self, node: Consent, path: str) -> Expression:
        place = f"gdpr.{node.purpose}" if node.regulation == "gdpr" else words.DATA_SALE
        operand = _operand(node, words.CONSENT, place)
        if node.state == "no_record":
            return unary("not_exists", operand)
        return binary("equals", operand, node.state in ("given", "opted_out"))

    @node.register
    def _(self, node: Location, path: str) -> Expression:
        if node.operator == "within":
            message = "mParticle's schema describes distances, but no expression of it can hold one."
            return self._hole(path, message, "Name places with equals, or keep this criterion here.")
        parts = [
            binary("equals", _operand(node, words.LOCATION, part), value)
            for part in PARTS
            if (value := getattr(node, part)) is not None
        ]
        return parts[0] if len(parts) == 1 else group("and", parts)

    @node.register
    def _(self, node: Attribution, path: str) -> Expression:
        parts = [
            self.compared(_operand(node, words.ATTRIBUTION, f"{node.event}.{name}"), part, path)
            for name, part in (("publisher", node.publisher), ("campaign", node.campaign))
            if part is not None
        ]
        if not parts:
            return unary("exists", _operand(node, words.ATTRIBUTION, node.event))
        return parts[0] if len(parts) == 1 else group("and", parts)

    @node.register
    def _(self, node: AudienceMembership, path: str) -> Expression:
        return binary(node.operator, {"model": words.USER}, {"audience": node.audience})

    @node.register
    def _(self, node: Event, path: str) -> Expression:
        condition = group("and", self.parts(node, path))
        if node.aggregate is not None:
            return self._aggregate(node, condition, path)
        frequency = node.frequency or Frequency()
        if frequency.count == "days":
            return self._hole(path, "mParticle's schema counts events, not days.", "Count events.")
        counted = words.aggregated("count", words.USER, {"model": words.EVENTS}, condition)
        return _numbers(counted, frequency.matcher)

    def _aggregate(self, node: Event, condition: Expression, path: str) -> Expression:
        aggregate = node.aggregate
        assert aggregate is not None
        function = words.FUNCTIONS.get(aggregate.function)
        if function is None:
            known = ", ".join(words.FUNCTIONS)
            return self._hole(path, f"mParticle's schema has no aggregate {aggregate.function}.", f"It has {known}.")
        model = words.PRODUCTS if isinstance(aggregate.of, ProductRef) else words.EVENTS
        operand = {"model": model, "path": _property(aggregate.of.ref)}
        return self.compared(words.aggregated(function, words.USER, operand, condition), aggregate, path)

    @node.register
    def _(self, node: Sequence, path: str) -> Expression:
        steps = []
        for at, step in enumerate(node.steps):
            place, alias = f"{path}.steps[{at}]", f"step{at + 1}"
            condition = group("and", self.parts(step, place, selected_only=True))
            around = [self._window(words.TIMESTAMP, node.when, path)] if node.when else []
            if node.within is not None and at == len(node.steps) - 1:
                first = {"alias": "step1", "path": "timestamp"}
                latest = relative(node.within.amount, node.within.unit, relative_to=first)
                around.append(binary("less_than_equal", words.TIMESTAMP, latest))
            condition = group("and", [condition, *around]) if around else condition
            steps.append({"alias": alias, "operand": words.TIMESTAMP, "condition": condition})
        return {"operator": "then", "sequence": steps}

    @node.register
    def _(self, node: CartAbandonment, path: str) -> Expression:
        added = Event(
            type="event", kind="ecommerce", name="add_to_cart", where_product=node.where_product, when=node.when
        )
        bought = group("and", self.parts(Event(type="event", kind="ecommerce", name="purchase"), path))
        left = words.aggregated("max", words.USER, words.TIMESTAMP, group("and", self.parts(added, path)))
        latest = words.aggregated("max", words.USER, words.TIMESTAMP, bought)
        never = binary("equals", words.aggregated("count", words.USER, {"model": words.EVENTS}, bought), 0)
        waited = binary("less_than_equal", left, relative(-node.wait.amount, node.wait.unit))
        return group("and", [waited, group("or", [never, binary("less_than", latest, left)])])

    # --- what qualifies an event ---------------------------------------------------------------------------------

    def parts(self, event: Event, path: str, *, selected_only: bool = False) -> list[Expression]:
        """Everything that must hold of an event: kind, name, type, inputs, where, products, when, the scope.

        `selected_only`: the audience's inputs narrow every kind, as in a sequence.
        """
        any_kind = event.kind == "any"
        said = [unary("exists", words.KIND) if any_kind else binary("equals", words.KIND, event.kind)]
        for operand, value in ((words.NAME, event.name), (words.CUSTOM_TYPE, event.custom_type)):
            said += [binary("equals", operand, value)] if value is not None else []
        said += [_one_of_inputs(event.inputs)] if event.inputs else []
        said += [self._entry(entry, words.EVENTS, f"{path}.where[{at}]") for at, entry in enumerate(event.where)]
        rows = [
            self._entry(entry, words.PRODUCTS, f"{path}.where_product[{at}]")
            for at, entry in enumerate(event.where_product)
        ]
        if rows:
            said.append(self._products(group("and", rows), event))
        said += [self._window(words.TIMESTAMP, event.when, path)] if event.when else []
        return said + self._scope(selected_only or event.kind not in USER_BASED_KINDS)

    @staticmethod
    def _products(rows: Expression, event: Event) -> Expression:
        """One product must satisfy all: the row itself where products are aggregated, else any of the event's."""
        if event.aggregate is not None and isinstance(event.aggregate.of, ProductRef):
            return rows
        products = words.aggregated("count", words.EVENTS, {"model": words.PRODUCTS}, rows)
        return binary("greater_than", products, 0)

    def _scope(self, selected_only: bool) -> list[Expression]:
        """The audience's inputs and lookback, as a group of their own at the end."""
        said = []
        if self._audience.inputs is not None and selected_only:
            said.append(_one_of_inputs(self._audience.inputs))
        if self._audience.lookback_days is not None:
            since = relative(-self._audience.lookback_days, "days")
            said.append(binary("greater_than_equal", words.TIMESTAMP, since))
        return [group("and", said)] if said else []

    def _entry(self, entry: Any, model: str, path: str) -> Expression:
        if isinstance(entry, Predicate):
            return self.compared({"model": model, "path": _property(entry.ref)}, entry, path, model)
        made = group("or", [self._entry(each, model, path) for each in entry.entries])
        if hasattr(entry, "none_of"):
            return none(model, made)
        return some(model, made) if words.listed(made) else made

    # --- comparisons ---------------------------------------------------------------------------------------------

    def compared(self, left: Any, comparison: Comparison, path: str, model: str = words.USER) -> Expression:
        """A comparison of an operand; `model` is that of the row which it is about."""
        name, matcher = comparison.operator, comparison.matcher
        match matcher:
            case Presence():
                return unary(name, left)
            case Moment():
                return self._window(left, matcher.window, path)
            case Boolean():
                return binary(words.NUMBERS[name], left, matcher.value)
            case Version():
                return _versions(left, matcher, model)
            case Number():
                return _numbers(left, matcher)
        if name in words.LISTS:
            return binary(words.LISTS[name], comparison.value, left)
        if name in words.TEXTS:
            return binary(words.TEXTS[name], left, comparison.value)
        if name == "is_empty":
            return binary("equals", left, "")
        if matcher.operator.twin == "is_in":
            joined, each = ("or", "equals") if name == "is_in" else ("and", "not_equals")
            texts: tuple[str, ...] = getattr(matcher, "value", ())
            return group(joined, [binary(each, left, text) for text in texts])
        return self._hole(path, f"mParticle's schema has no operator {name}.", _HINTS.get(matcher.operator.twin, ""))

    def _window(self, left: Any, window: Window, path: str) -> Expression:
        try:
            bounds = [binary(operator, left, right) for operator, right in _BOUNDS[type(window)](window)]
        except OverflowError:
            return self._hole(path, "The day after 9999-12-31 cannot be written.", "Choose an earlier date.")
        return bounds[0] if len(bounds) == 1 else group("and", bounds)


_HINTS: Final = {
    "pattern": "Write it as matches_regex.",
    "partial_match": "Ask for whole elements with includes.",
}


def _operand(node: ProfileCriterion, model: str, path: str) -> Expression:
    return {"model": f"{node.workspace}/{model}" if node.workspace is not None else model, "path": path}


def _property(ref: tuple[str, str]) -> str:
    kind, name = ref
    return name if kind == "field" else words.CUSTOM + name


def _one_of_inputs(names: tuple[str, ...]) -> Expression:
    return group("or", [binary("equals", words.INPUT, name) for name in names])


def _numbers(left: Any, matcher: Number) -> Expression:
    if isinstance(matcher.value, tuple):
        low, high = matcher.value
        return group("and", [binary("greater_than_equal", left, low), binary("less_than_equal", left, high)])
    return binary(words.NUMBERS[matcher.operator.name], left, matcher.value)


def _versions(left: Any, matcher: Version, model: str) -> Expression:
    """Versions in order; equality is a lower and an upper bound, for `equals` with a text compares texts."""
    name = matcher.operator.name
    if not isinstance(matcher.value, tuple) and name not in ("equals", "not_equals"):
        return binary(words.NUMBERS[name], left, matcher.value)
    low, high = matcher.value if isinstance(matcher.value, tuple) else (matcher.value, matcher.value)
    between = group("and", [binary("greater_than_equal", left, low), binary("less_than_equal", left, high)])
    if name != "not_equals":
        return between
    # Of a row it comes back as a `none_of`, and is written as one.
    return none(model, between if model == words.USER else group("or", [between]))


# --- windows: (operator, moment) of each bound ---------------------------------------------------------------------


def _within_last(window: Any) -> list[tuple[str, Expression]]:
    first, now = relative(-window.amount, window.unit), relative(0, window.unit)
    return [("greater_than_equal", first), ("less_than_equal", now)]


def _between_ago(window: Any) -> list[tuple[str, Expression]]:
    near, far = sorted((window.from_, window.to))
    return [
        ("greater_than_equal", relative(-far, window.unit)),
        ("less_than_equal", relative(-near, window.unit) if near else relative(0, window.unit)),
    ]


def _between_dates(window: Any) -> list[tuple[str, Expression]]:
    whole_day = len(window.to) == DATE_LENGTH
    last = ("less_than", words.moved(window.to, days=1)) if whole_day else ("less_than_equal", window.to)
    return [("greater_than_equal", absolute(window.from_)), (last[0], absolute(last[1]))]


def _calendar(window: Any) -> list[tuple[str, Expression]]:
    first, last = (relative(window.offset, window.unit, boundary=boundary) for boundary in ("start", "end"))
    return [("greater_than_equal", first), ("less_than_equal", last)]


_BOUNDS: Final[dict[type[Window], Callable[[Any], list[tuple[str, Expression]]]]] = {
    WithinLast: _within_last,
    BetweenAgo: _between_ago,
    MoreThanAgo: lambda window: [("less_than", relative(-window.amount, window.unit))],
    WithinNext: lambda window: [
        ("greater_than", relative(0, window.unit)),
        ("less_than_equal", relative(window.amount, window.unit)),
    ],
    Before: lambda window: [("less_than", absolute(window.date))],
    After: lambda window: [("greater_than_equal", absolute(window.date))],
    On: lambda window: [("equals", absolute(window.date))],
    BetweenDates: _between_dates,
    Calendar: _calendar,
}
