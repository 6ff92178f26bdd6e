"""The oracle: DEFINITION read aloud in plain Python, one profile and one event at a time.

It imports nothing of the engine that it judges. `World` takes raw mParticle batches (tests/oracle_world.py), values and
operators are read in tests/oracle_reading.py, and here a definition document is dispatched on the type of its nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from tests.oracle_reading import (
    DAY_MS,
    FOREVER,
    MISSING,
    Moment,
    Several,
    bounds,
    elements,
    frequency_holds,
    holds,
    inside,
    number,
    span,
    text,
)
from tests.oracle_world import Event, Product, Record, World, latest

Node = dict[str, Any]
Cities = dict[str, tuple[float, float]]
"""City as written in the definition -> (latitude, longitude)."""

USER_BASED: Final = frozenset({"crash", "install", "uninstall", "upgrade"})
KINDS: Final = frozenset({"custom", "attribution", "ecommerce", "session", "screen_view", *USER_BASED})
VERSION_FIELDS: Final = frozenset({"app_version", "os_version"})
KILOMETERS: Final = {"kilometers": 1.0, "miles": 1.609344, "meters": 0.001}
EARTH_RADIUS_KM: Final = 6371.0088


@dataclass
class Scope:
    """What one calculation sees: a world, an audience's scope and a moment."""

    world: World
    audience: dict[str, Any]
    now: int
    audiences: dict[str, dict[str, Any]] = field(default_factory=dict)
    cities: Cities = field(default_factory=dict)
    _remembered: dict[int, set[int]] = field(default_factory=dict)
    _mine: dict[int, list[Event]] | None = None

    @property
    def workspaces(self) -> list[str]:
        """The audience's workspaces, the first being the one that profile criteria read."""
        return self.audience["workspaces"]

    def universe(self) -> set[int]:
        """Every profile seen in one of the workspaces up to now, and active within the retention."""
        activity: dict[int, int] = {}
        for record in self.world.seen:
            if record.workspace in self.workspaces and record.at <= self.now:
                activity[record.mpid] = max(activity.get(record.mpid, -FOREVER), record.at)
        days = self.world.retention_days
        oldest = -FOREVER if days is None else self.now - days * DAY_MS
        return {mpid for mpid, last in activity.items() if last >= oldest}

    def workspace(self, node: Node) -> str:
        """The workspace that a profile criterion reads."""
        return node.get("workspace") or self.workspaces[0]

    def inputs(self, names: list[str] | None) -> set[tuple[str, str]]:
        """The (workspace, input) pairs that a list of names stands for; None is every input of the workspaces."""
        every = {(ws, name) for ws in self.workspaces for name in self.world.inputs.get(ws, [])}
        if names is None:
            return every
        return {(ws, name) for ws, name in every if name in names or f"{ws}/{name}" in names}

    def events(self, mpid: int) -> list[Event]:
        """The profile's events up to now in order of time and arrival, demoted ones left out, sessions joined."""
        if self._mine is None:
            self._mine = {}
            for event in sorted(self.world.events, key=lambda event: (event.at, event.arrival)):
                if event.at <= self.now:
                    self._mine.setdefault(event.mpid, []).append(event)
        return self._mine.get(mpid, [])

    def usable(self, event: Event) -> bool:
        """Whether an event is of a kind that criteria read and of the personalize tier."""
        tier = self.world.tiers.get((event.workspace, event.kind, event.name or ""), "personalize")
        return event.kind in KINDS and tier == "personalize"

    def in_lookback(self, event: Event) -> bool:
        """Whether an event lies in the audience's event data range."""
        days = self.audience.get("lookback_days")
        return event.at <= self.now and (days is None or event.at >= self.now - days * DAY_MS)

    def members(self, node: Node) -> set[int]:
        """The members that a node alone selects in the universe."""
        key = id(node)
        if key not in self._remembered:
            self._remembered[key] = NODES[node["type"]](self, node) & self.universe()
        return self._remembered[key]


def scope_of(
    world: World,
    audience: dict[str, Any],
    now: int | datetime,
    audiences: dict[str, dict[str, Any]] | None = None,
    cities: Cities | None = None,
) -> Scope:
    """The scope of one audience document at a moment."""
    at = now if isinstance(now, int) else round(now.timestamp() * 1000)
    return Scope(world, audience, at, audiences or {}, cities or {})


def members(world: World, audience: dict[str, Any], now: int | datetime, **others: Any) -> set[int]:
    """The mpids in an audience."""
    return scope_of(world, audience, now, **others).members(audience["definition"]["root"])


# --- sizes per node ----------------------------------------------------------------------------------------------


def children(node: Node) -> list[tuple[str, Node]]:
    """The nodes below with their path segments; the steps of a sequence are no nodes."""
    if node["type"] in ("and", "or"):
        return [(f"criteria[{at}]", child) for at, child in enumerate(node["criteria"])]
    return [("criterion", node["criterion"])] if node["type"] == "not" else []


def _cut_after(root: Node, steps: list[int]) -> Node:
    """The root without the later siblings of the node that `steps` lead to, at every level above it."""
    if not steps:
        return root
    below = [child for _, child in children(root)][: steps[0] + 1]
    below[-1] = _cut_after(below[-1], steps[1:])
    return {**root, "criterion": below[0]} if root["type"] == "not" else {**root, "criteria": below}


def _without(root: Node, steps: list[int]) -> Node | None:
    """The root without a node; a `not` with nothing to exclude goes too."""
    if not steps:
        return None
    below = [child for _, child in children(root)]
    left = _without(below[steps[0]], steps[1:])
    if root["type"] == "not":
        return None if left is None else {**root, "criterion": left}
    kept = [*below[: steps[0]], *([left] if left is not None else []), *below[steps[0] + 1 :]]
    return {**root, "criteria": kept}


def node_sizes(scope: Scope) -> list[tuple[str, int, int, int]]:
    """(path, size, here, unique) of every node, pre-order (DEFINITION 4)."""
    root = scope.audience["definition"]["root"]
    whole = len(scope.members(root))
    found: list[tuple[str, int, int, int]] = []
    made: list[Node] = []  # keeps the cut trees alive: members are remembered by identity

    def visit(node: Node, path: str, steps: list[int]) -> None:
        cut, without = _cut_after(root, steps), _without(root, steps) or {"type": "and", "criteria": []}
        made.extend((cut, without))
        here, rest = len(scope.members(cut)), len(scope.members(without))
        found.append((path, len(scope.members(node)), here, rest - whole))
        for at, (segment, child) in enumerate(children(node)):
            visit(child, f"{path}.{segment}", [*steps, at])

    visit(root, "root", [])
    return found


# --- nodes -------------------------------------------------------------------------------------------------------

Judge = Callable[[Scope, Node], set[int]]
NODES: Final[dict[str, Judge]] = {}


def node(kind: str) -> Callable[[Judge], Judge]:
    """Registers the judge of a node type."""

    def register(judge: Judge) -> Judge:
        NODES[kind] = judge
        return judge

    return register


def each(judge: Callable[[Scope, Node, int], bool]) -> Judge:
    """A judge of one profile at a time as a judge of the universe."""
    return lambda scope, node: {mpid for mpid in scope.universe() if judge(scope, node, mpid)}


@node("and")
def _and(scope: Scope, node: Node) -> set[int]:
    return scope.universe().intersection(*(scope.members(child) for child in node["criteria"]))


@node("or")
def _or(scope: Scope, node: Node) -> set[int]:
    return set().union(*(scope.members(child) for child in node["criteria"]))


@node("not")
def _not(scope: Scope, node: Node) -> set[int]:
    return scope.universe() - scope.members(node["criterion"])


@node("audience_membership")
def _audience_membership(scope: Scope, node: Node) -> set[int]:
    named = scope.audiences[node["audience"]]
    inside_it = members(scope.world, named, scope.now, cities=scope.cities)
    return inside_it if node["operator"] == "in" else scope.universe() - inside_it


@node("event")
@each
def _event(scope: Scope, node: Node, mpid: int) -> bool:
    events = qualifying(scope, node, mpid)
    if node.get("aggregate"):
        return _aggregate_holds(scope, node, events)
    frequency = node.get("frequency")
    by_days = frequency is not None and frequency.get("count") == "days"
    count = len({event.at // DAY_MS for event in events}) if by_days else len(events)
    return frequency_holds(frequency, count)


@node("sequence")
@each
def _sequence(scope: Scope, node: Node, mpid: int) -> bool:
    window, within = node.get("when"), node.get("within")
    steps = [
        [event.at for event in qualifying(scope, step, mpid, selected_only=True) if inside(window, event.at, scope.now)]
        for step in node["steps"]
    ]
    longest = FOREVER if within is None else span(within["amount"], within["unit"])
    for first in steps[0]:
        last: int | None = first
        for moments in steps[1:]:
            last = min((at for at in moments if last is not None and at > last), default=None)
        if last is not None and last - first <= longest:
            return True
    return False


@node("cart_abandonment")
@each
def _cart_abandonment(scope: Scope, node: Node, mpid: int) -> bool:
    def named(name: str) -> Node:
        return {"type": "event", "kind": "ecommerce", "name": name}

    added = qualifying(scope, {**named("add_to_cart"), **{k: node.get(k) for k in ("where_product", "when")}}, mpid)
    if not added:
        return False
    latest_added = max(event.at for event in added)
    waited = latest_added <= scope.now - span(node["wait"]["amount"], node["wait"]["unit"])
    return waited and not any(event.at >= latest_added for event in qualifying(scope, named("purchase"), mpid))


@node("user_attribute")
@each
def _user_attribute(scope: Scope, node: Node, mpid: int) -> bool:
    log = scope.world.attributes.get((scope.workspace(node), mpid, node["attribute"]))
    return holds(node, latest(log, scope.now), scope.now)


@node("consent")
@each
def _consent(scope: Scope, node: Node, mpid: int) -> bool:
    key = (scope.workspace(node), mpid, node["regulation"], node.get("purpose"))
    consented = latest(scope.world.consents.get(key), scope.now)
    if node["state"] == "no_record":
        return consented is MISSING
    return consented is (node["state"] in ("given", "opted_out"))


def _known(log: list[Record] | None, now: int) -> Several:
    return Several(record.value for record in log or [] if record.at <= now)


@node("device")
@each
def _device(scope: Scope, node: Node, mpid: int) -> bool:
    values = _known(scope.world.devices.get((scope.workspace(node), mpid, node["field"])), scope.now)
    return holds(node, values or MISSING, scope.now, as_version=node["field"] in VERSION_FIELDS)


@node("identity")
@each
def _identity(scope: Scope, node: Node, mpid: int) -> bool:
    values = _known(scope.world.identities.get((scope.workspace(node), mpid, node["identity_type"])), scope.now)
    return holds(node, values or MISSING, scope.now)


def _seen(scope: Scope, node: Node, mpid: int) -> list[int]:
    workspace = scope.workspace(node)
    return [r.at for r in scope.world.seen if r.mpid == mpid and r.workspace == workspace and r.at <= scope.now]


@node("first_seen")
@each
def _first_seen(scope: Scope, node: Node, mpid: int) -> bool:
    seen = _seen(scope, node, mpid)
    return bool(seen) and inside(node["when"], min(seen), scope.now)


@node("last_seen")
@each
def _last_seen(scope: Scope, node: Node, mpid: int) -> bool:
    seen = _seen(scope, node, mpid)
    return bool(seen) and inside(node["when"], max(seen), scope.now)


@node("location")
@each
def _location(scope: Scope, node: Node, mpid: int) -> bool:
    log = scope.world.places.get((scope.workspace(node), mpid))
    if node["operator"] == "equals":
        place = latest(log, scope.now)
        given = {part: node[part] for part in ("city", "state", "zip", "dma", "country") if node.get(part) is not None}
        return place is not MISSING and all(
            place[part] is not None and text(place[part]).lower() == value.lower() for part, value in given.items()
        )
    placed = [r for r in log or [] if r.value["latitude"] is not None and r.value["longitude"] is not None]
    place = latest(placed, scope.now)
    if place is MISSING:
        return False
    centre = scope.cities[node["city"]] if node.get("city") is not None else (node["latitude"], node["longitude"])
    reach = node["distance"] * KILOMETERS[node["unit"]]
    return great_circle_km(centre, (float(place["latitude"]), float(place["longitude"]))) <= reach


def great_circle_km(here: tuple[float, float], there: tuple[float, float]) -> float:
    """The haversine distance in kilometres on a sphere of the mean Earth radius."""
    (lat1, lon1), (lat2, lon2) = ((math.radians(a), math.radians(b)) for a, b in (here, there))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))


@node("attribution")
@each
def _attribution(scope: Scope, node: Node, mpid: int) -> bool:
    value = latest(scope.world.attributions.get((scope.workspace(node), mpid, node["event"])), scope.now)
    asked = {part: node[part] for part in ("publisher", "campaign") if node.get(part)}
    if not asked:
        return value is not MISSING
    parts: dict[str, Any] = {} if value is MISSING else value
    return all(holds(predicate, parts.get(part, MISSING), scope.now) for part, predicate in asked.items())


@node("calculated_attribute")
@each
def _calculated_attribute(scope: Scope, node: Node, mpid: int) -> bool:
    workspace = scope.workspace(node)
    definition = scope.world.calculated[workspace, node["name"]]
    own = Scope(scope.world, {"workspaces": [workspace]}, scope.now)
    event = {"type": "event", **definition["event"], "when": definition.get("window")}
    value = _calculate(definition, own, event, qualifying(own, event, mpid))
    return holds(node, value, scope.now)


# --- events ------------------------------------------------------------------------------------------------------


def qualifying(scope: Scope, node: Node, mpid: int, selected_only: bool = False) -> list[Event]:
    """The profile's events that an event node counts, in order; `selected_only`: whatever kind, selected inputs."""
    kind = node["kind"]
    everything = kind in USER_BASED and not selected_only
    allowed = scope.inputs(None) if everything else scope.inputs(scope.audience.get("inputs"))
    if node.get("inputs") is not None:
        allowed &= scope.inputs(node["inputs"])
    return [
        event
        for event in scope.events(mpid)
        if scope.usable(event)
        and (event.kind == kind or (kind == "any" and not event.also))
        and (event.workspace, event.input) in allowed
        and scope.in_lookback(event)
        and inside(node.get("when"), event.at, scope.now)
        and node.get("name") in (None, event.name)
        and node.get("custom_type") in (None, event.custom_type)
        and all(_entry_holds(scope, entry, event) for entry in node.get("where") or [])
        and (not node.get("where_product") or _products(scope, node, event))
    ]


def _products(scope: Scope, node: Node, event: Event) -> list[Product]:
    """The products of an event that satisfy all of `where_product`."""
    wanted = node.get("where_product") or []
    return [product for product in event.products if all(_entry_holds(scope, entry, product) for entry in wanted)]


def _entry_holds(scope: Scope, entry: Node, where: Event | Product) -> bool:
    if "any_of" in entry:
        return any(_entry_holds(scope, inner, where) for inner in entry["any_of"])
    if "none_of" in entry:
        return not any(_entry_holds(scope, inner, where) for inner in entry["none_of"])
    return holds(entry, _refer(scope, entry, where), scope.now, as_version=_is_version(entry, where))


def _is_version(reference: Node, where: Event | Product) -> bool:
    return isinstance(where, Event) and reference.get("field") in VERSION_FIELDS


def _refer(scope: Scope, reference: Node, where: Event | Product) -> Any:
    """The value that a REF names on an event or a product."""
    if "attribute" in reference:
        return where.attributes.get(reference["attribute"], MISSING)
    if reference["field"] == "session_duration_ms":
        return _session_duration(scope, where) if isinstance(where, Event) else MISSING
    return where.fields.get(reference["field"], MISSING)


def _session_duration(scope: Scope, start: Event) -> Any:
    if start.kind != "session" or start.session is None:
        return MISSING
    ends = [
        event
        for event in scope.events(start.mpid)
        if event.kind == "session_end" and event.workspace == start.workspace and event.session == start.session
    ]
    return ends[-1].fields.get("session_duration_ms", MISSING) if ends else MISSING


def _values(scope: Scope, reference: Node, node: Node, events: list[Event]) -> list[Any]:
    """The non-null values of a REF over events in order, or over their products for `{"product": REF}`."""
    if "product" in reference:
        found = [_refer(scope, reference["product"], p) for event in events for p in _products(scope, node, event)]
    else:
        found = [_refer(scope, reference, event) for event in events]
    flat = [item for value in found for item in (value if isinstance(value, Several) else [value])]
    return [value for value in flat if value is not MISSING and value is not None]


def _numbers(values: list[Any]) -> list[Fraction]:
    return [read for value in values if (read := number(value)) is not None]


def _texts(values: list[Any]) -> list[str]:
    return [read for value in values if (read := text(value)) is not None]


def _fold(function: str, values: list[Any]) -> Any:
    """One number (or text) out of many: sum, average, minimum, maximum, unique_count, first, last."""
    if function == "unique_count":
        return Fraction(len(set(_texts(values))))
    if function in ("first", "last"):
        return (values[0] if function == "first" else values[-1]) if values else MISSING
    numbers = _numbers(values)
    if function == "sum":
        return sum(numbers, Fraction(0))
    if not numbers:
        return MISSING
    return {"average": sum(numbers) / len(numbers), "minimum": min(numbers), "maximum": max(numbers)}[function]


def _aggregate_holds(scope: Scope, node: Node, events: list[Event]) -> bool:
    aggregate = node["aggregate"]
    value = _fold(aggregate["function"], _values(scope, aggregate["of"], node, events))
    if value is MISSING:
        return False
    reference = aggregate["of"].get("product", aggregate["of"])
    as_version = aggregate["function"] in ("first", "last") and "product" not in aggregate["of"]
    return holds(aggregate, value, scope.now, as_version=as_version and reference.get("field") in VERSION_FIELDS)


def _calculate(definition: Node, scope: Scope, node: Node, events: list[Event]) -> Any:
    """The value of a calculated attribute over its events (DEFINITION 3.4)."""
    calculation = definition["calculation"]
    if calculation == "count":
        return Fraction(len(events))
    if calculation in ("first_timestamp", "last_timestamp"):
        moments = [event.at for event in events]
        return Moment(min(moments) if calculation.startswith("first") else max(moments)) if moments else MISSING
    values = _values(scope, definition["of"], node, events)
    if calculation == "most_frequent":
        texts = _texts(values)
        return min(texts, key=lambda one: (-texts.count(one), one)) if texts else MISSING
    if calculation == "unique_list":
        return sorted(set(_texts(values)))[:100] if _texts(values) else MISSING
    return _fold(calculation.removesuffix("_value"), values)


__all__ = ["World", "bounds", "elements", "great_circle_km", "members", "node_sizes", "scope_of"]
