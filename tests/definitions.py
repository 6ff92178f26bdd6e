"""Random valid definitions over the alphabets of `tests.strategies`: every node, operator, window and field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.strategies import SORTS, Dice, Document

USER_BASED: Final = ("crash", "install", "uninstall", "upgrade")
NAMES: Final[dict[str, tuple[str | None, ...]]] = {
    "custom": ("E", "E", "F", "e", "ping", None, None),
    "attribution": ("attribution", "uninstall", "re-engagement", None, None),
    "ecommerce": ("purchase", "purchase", "add_to_cart", "view_detail", "promotion_click", "impression", None, None),
    "screen_view": ("Home", "Cart", "Debug", None),
}
KINDS: Final = ("custom", "custom", "ecommerce", "ecommerce", *NAMES, "session", "session", *USER_BASED, "any", "any")
UNIT_MS: Final = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}


@dataclass(frozen=True)
class Surroundings:
    """What a definition may name: inputs by workspace, demoted events, calculated attributes."""

    inputs: dict[str, list[str]]
    demoted: list[tuple[str, str]]
    calculated: list[Document]


@dataclass(frozen=True)
class Frame:
    """The surroundings of one node: the audience's workspaces and the inputs that its criteria may name."""

    around: Surroundings
    workspaces: list[str]
    selected: list[str] | None
    named: list[str]

    def inputs(self, selected_only: bool) -> list[str]:
        """Input names that a criterion may list, plain and qualified."""
        if selected_only and self.selected is not None:
            return self.selected
        pairs = [(workspace, name) for workspace in self.workspaces for name in self.around.inputs[workspace]]
        return [*dict.fromkeys(name for _, name in pairs), *(f"{workspace}/{name}" for workspace, name in pairs)]


# --- windows -----------------------------------------------------------------------------------------------------

SPANS: Final = (
    (1, "seconds"), (60, "minutes"), (1, "hours"), (12, "hours"), (24, "hours"), (1, "days"), (3, "days"), (7, "days"),
    (1, "weeks"), (30, "days"), (3, "days"), (7, "days"),
)  # fmt: skip
DATES: Final = ("2025-12-31", "2026-01-01", "2026-01-28", "2026-01-29", "2026-01-30", "2026-01-31", "2026-02-01")
INSTANTS: Final = (
    *("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.001Z", "2026-01-28T12:00:00Z", "2026-01-31T02:00:00+02:00"),
)


def span(dice: Dice) -> Document:
    """An amount of a unit."""
    amount, unit = dice.pick(*SPANS)
    return {"amount": amount, "unit": unit}


def between_dates(dice: Dice) -> Document:
    """Two dates in order, one of them sometimes an instant."""
    first, last = sorted([dice.pick(*DATES), dice.pick(*DATES)])
    for instant in ("2026-01-28T12:00:00Z", "2026-01-31T12:00:00Z"):
        if first <= instant[:10] <= last and dice.maybe(0.3):
            first, last = dice.pick((instant, last), (first, instant))
    return {"type": "between_dates", "from": first, "to": last}


def past_window(dice: Dice) -> Document:
    """A window over what has happened."""
    fixed = ("before", "after", "on", "between_dates", "calendar", "calendar")
    kind = dice.pick("within_last", "within_last", "more_than_ago", "between_ago", *fixed)
    if kind in ("within_last", "more_than_ago"):
        return {"type": kind, **span(dice)}
    if kind == "between_ago":
        ends = {"from": dice.pick(0, 1, 3, 7), "to": dice.pick(0, 1, 3, 30)}
        return {"type": kind, **ends, "unit": dice.pick("hours", "days", "days")}
    if kind in ("before", "after"):
        return {"type": kind, "date": dice.pick(*DATES, *INSTANTS)}
    if kind == "on":
        return {"type": kind, "date": dice.pick(*DATES)}
    if kind == "between_dates":
        return between_dates(dice)
    unit = dice.pick("day", "week", "month", "month", "quarter", "year")
    return {"type": kind, "unit": unit, "offset": dice.pick(0, 0, -1, -2, 1)}


def window(dice: Dice) -> Document:
    """Any window: for attribute dates."""
    return {"type": "within_next", **span(dice)} if dice.maybe(0.25) else past_window(dice)


def maybe_window(dice: Dice) -> Document | None:
    """A window, more often none."""
    return past_window(dice) if dice.maybe(0.8 if dice.theme == "windows" else 0.2) else None


def beside(found: Document) -> Document:
    """A window as an operator with its fields beside it."""
    return {"operator": found["type"], **{key: value for key, value in found.items() if key != "type"}}


# --- predicates --------------------------------------------------------------------------------------------------

WANTED: Final[tuple[str, ...]] = (
    *("x", "X", "y", "blue", "", "é", "A.B", "東京", "1", "10", "true", "2026", "a@x", "hat", "Hat", "rome", "fr"),
    *("x", "x", "x", "1", "blue", "spring", "facebook", "google", "p1", "acme", "ios", "a", "USD", "Home", "phone"),
    *("tablet", "us"),
)
PATTERNS: Final = ("?", "??", "*", "x*", "*X?", "a.b", "a*b", "1*", "", "*é*", "*a*", "*o*")
REGEXES: Final = ("^x", "X$", r"^\d+$", r"\w+", "blue|é", r"a\.b", "a.b", "[0-9]{2}", "(x|y)y?", r"\b1\b", "o")
LIMITS: Final = (0, 1, 1, 2, 10, 10.0, 0.1, 0.2, 0.3, 20, 34.32, -5, 1000, 2**53, 2**53 + 1, 1e20)
ORDER: Final = ("equals", "not_equals", "greater_than", "at_least", "less_than", "at_most")


def presence(dice: Dice) -> Document:
    """exists or not_exists."""
    return {"operator": dice.pick("exists", "exists", "not_exists")}


def wanted(dice: Dice) -> str:
    """A text to compare with: one of the situation's sort, if it has one."""
    texts = [value for value in SORTS.get(dice.sort or "", ()) if isinstance(value, str)]
    return dice.pick(*texts) if texts and dice.maybe(0.8) else dice.pick(*WANTED)


def string_operator(dice: Dice, *values: str) -> Document:
    """Any string operator, comparing with one of the values if there are any."""

    def value() -> str:
        return dice.pick(*values) if values and dice.maybe(0.9) else wanted(dice)

    plain = (
        *("contains", "does_not_contain", "exact_match", "exact_match", "does_not_match", "starts_with"),
        *("does_not_start_with", "ends_with", "does_not_end_with"),
    )
    kind = dice.randrange(10)
    if kind < 6:
        return {"operator": dice.pick(*plain), "value": value()}
    if kind == 6:
        return {"operator": dice.pick("pattern", "does_not_match_pattern"), "value": dice.pick(*PATTERNS)}
    if kind == 7:
        return {"operator": dice.pick("matches_regex", "does_not_match_regex"), "value": dice.pick(*REGEXES)}
    if kind == 8:
        some = dice.several(lambda: dice.pick(value(), value(), dice.pick(*LIMITS)), 1, 4)
        return {"operator": dice.pick("is_in", "is_not_in"), "value": some}
    return {"operator": "is_empty"}


def list_operator(dice: Dice) -> Document:
    """Any list operator."""
    return {"operator": dice.pick("includes", "does_not_include", "partial_match"), "value": wanted(dice)}


def compared(dice: Dice, *limits: Any, key: Callable[[Any], Any] = lambda limit: limit) -> Document:
    """A number operator with one of the limits, or two in order."""
    if dice.maybe(0.2):
        return {"operator": "between", "value": sorted([dice.pick(*limits), dice.pick(*limits)], key=key)}
    return {"operator": dice.pick(*ORDER), "value": dice.pick(*limits)}


def number_operator(dice: Dice) -> Document:
    """A number operator."""
    return compared(dice, *LIMITS)


def count_operator(dice: Dice) -> Document:
    """A number operator over small counts."""
    return compared(dice, 0, 1, 2, 3, 4)


def version_operator(dice: Dice) -> Document:
    """A number operator over versions."""
    return compared(dice, "2", "2.9", "2.10", "9.10", "10", key=lambda each: [int(part) for part in each.split(".")])


def boolean_operator(dice: Dice) -> Document:
    """A boolean operator."""
    return {"operator": dice.pick("equals", "not_equals"), "value": dice.pick(True, False)}


def date_operator(dice: Dice) -> Document:
    """A window as operator."""
    return beside(window(dice))


TYPED: Final[dict[str, Callable[[Dice], Document]]] = {
    "string": string_operator,
    "number": number_operator,
    "boolean": boolean_operator,
    "date": date_operator,
    "list": list_operator,
    "version": version_operator,
}


def any_operator(dice: Dice) -> Document:
    """An operator of any type, its type sometimes forced (a version's always: nothing else says it is one)."""
    if dice.maybe(0.15):
        return presence(dice)
    value_type = dice.pick("string", "string", "string", "number", "number", "boolean", "date", "list", "version")
    if dice.sort and dice.maybe(0.7):
        value_type = dice.sort.removesuffix("s")
    predicate = TYPED[value_type](dice)
    forced = value_type == "version" or dice.maybe(0.2)
    return {**predicate, "value_type": value_type} if forced else predicate


def text_operator(dice: Dice, *values: str) -> Document:
    """A string operator or presence: for identities and the like."""
    return presence(dice) if dice.maybe(0.2) else string_operator(dice, *values)


def version_field_operator(dice: Dice) -> Document:
    """An operator for app_version and os_version."""
    kind = dice.randrange(4)
    if kind == 3:
        return {**number_operator(dice), "value_type": "number"}
    return (presence, string_operator, version_operator)[kind](dice)


FIELDS: Final = (
    "app_build platform device_brand carrier session_id session_duration_ms session_duration_ms currency_code "
    "total_amount total_amount transaction_id coupon_code checkout_step screen_name class_name severity "
    "exception_handled promotion_id promotion_name product_list country state city zip dma latitude longitude"
).split()
SINGLE_FIELDS: Final = [name for name in FIELDS if not name.startswith("pro")]
PRODUCT_FIELDS: Final = ("id", "name", "brand", "category", "price", "price", "quantity")


def event_reference(dice: Dice, fields: list[str] = FIELDS) -> Document:
    """A custom attribute or a standard field of an event."""
    if dice.theme == "sessions":
        return {"field": "session_duration_ms"}
    if dice.maybe(0.9 if dice.theme in ("calculated", "aggregates") else 0.6):
        return {"attribute": dice.pick("a", "a", "a", "b", "b", "b", "publisher", "never")}
    return {"field": dice.pick(*fields)}


def product_reference(dice: Dice) -> Document:
    """A custom attribute or a field of a product."""
    return {"attribute": dice.pick("a", "b")} if dice.maybe(0.3) else {"field": dice.pick(*PRODUCT_FIELDS)}


def event_predicate(dice: Dice) -> Document:
    """A predicate on an event."""
    if dice.maybe(0.1):
        return {"field": dice.pick("app_version", "os_version"), **version_field_operator(dice)}
    return {**event_reference(dice), **any_operator(dice)}


def product_predicate(dice: Dice) -> Document:
    """A predicate on a product."""
    return {**product_reference(dice), **any_operator(dice)}


def entries(dice: Dice, predicate: Callable[[Dice], Document], depth: int = 2) -> list[Document]:
    """What `where` holds: predicates, and any_of / none_of nested."""

    def entry() -> Document:
        if depth and dice.maybe(0.3):
            return {dice.pick("any_of", "none_of"): entries(dice, predicate, depth - 1)}
        return predicate(dice)

    return dice.several(entry, 0, 2)


# --- events ------------------------------------------------------------------------------------------------------

THEMED: Final[dict[str, tuple[str, ...]]] = {
    "sessions": ("session",),
    "commerce": ("ecommerce",),
    "attribution": ("attribution",),
    "sequences": ("custom", "custom", "screen_view", "crash", "any"),
    "aggregates": ("custom", "ecommerce"),
    "calculated": ("custom", "ecommerce", "any"),
    "installs": ("any", "any", *USER_BASED),
    "windows": ("custom", "session", "any"),
}
"""The kinds of events that a theme is about."""


def frequency(dice: Dice) -> Document:
    """How often."""
    name = dice.pick("greater_than", "less_than", "equals", "at_least", "at_most", "between")
    value = dice.pick([0, 1], [1, 2], [2, 2], [2, 4]) if name == "between" else dice.pick(0, 1, 1, 2, 3)
    return {"operator": name, "value": value, **dice.part(0.5, count=lambda: dice.pick("events", "days"))}


def aggregate(dice: Dice, ecommerce: bool) -> Document:
    """An aggregate over an event's values, or over its products' where there are any."""
    of = {"product": product_reference(dice)} if ecommerce and dice.maybe(0.5) else event_reference(dice, SINGLE_FIELDS)
    if dice.maybe(0.6):
        function = dice.pick("sum", "sum", "average", "minimum", "maximum", "unique_count")
        number = count_operator if function == "unique_count" else number_operator
        return {"function": function, "of": of, **number(dice)}
    return {"function": dice.pick("first", "last"), "of": of, **any_operator(dice)}


def event_parts(dice: Dice, demoted: list[tuple[str, str]]) -> Document:
    """Kind, name, custom type and predicates of an event node."""
    kind = dice.pick(*THEMED.get(dice.theme or "", KINDS))
    node: Document = {"kind": kind}
    if kind in NAMES:
        node["name"] = dice.pick(*(name for name in NAMES[kind] if (kind, name) not in demoted))
    if kind == "custom" and dice.maybe(0.2):
        node["custom_type"] = dice.pick("other", "other", "navigation", "media")
    if dice.maybe(0.1 if dice.theme in ("windows", "sequences", "calculated", "aggregates") else 0.3):
        node["where"] = entries(dice, event_predicate)
    if kind == "ecommerce" and dice.maybe(0.4):
        node["where_product"] = entries(dice, product_predicate)
    return node


def event(dice: Dice, frame: Frame, step: bool = False) -> Document:
    """An event node, or a step of a sequence."""
    node = {"type": "event", **event_parts(dice, frame.around.demoted), "when": maybe_window(dice)}
    if dice.maybe(0.2):
        selected_only = step or node["kind"] not in USER_BASED
        node["inputs"] = dice.subset(frame.inputs(selected_only), 1, 2)
    aggregated = dice.theme in ("aggregates", "sessions") and dice.maybe(0.6)
    counted = "default" if step else "aggregate" if aggregated else dice.pick("default", "frequency", "aggregate")
    if counted == "frequency":
        node["frequency"] = frequency(dice)
    if counted == "aggregate":
        node["aggregate"] = aggregate(dice, node["kind"] == "ecommerce")
    return node


def sequence(dice: Dice, frame: Frame) -> Document:
    """One to three steps, with or without a longest duration."""
    steps = [event(dice, frame, step=True) for _ in range(dice.pick(1, 2, 2, 2, 3))]
    more = dice.part(0.25, within=lambda: span(dice), when=lambda: past_window(dice))
    return {"type": "sequence", "steps": steps, **more}


def cart(dice: Dice) -> Document:
    """Cart abandonment."""
    more = dice.part(0.25, where_product=lambda: entries(dice, product_predicate), when=lambda: past_window(dice))
    short = {"amount": dice.pick(1, 60, 3600), "unit": "seconds"}
    return {"type": "cart_abandonment", "wait": dice.pick(span(dice), short), **more}


# --- profiles ----------------------------------------------------------------------------------------------------


def place(dice: Dice) -> Document:
    """A location criterion: parts that must match, or a distance from a point."""
    if dice.maybe(0.5):
        parts = {
            "city": dice.pick("ROME", "rome", "oslo"),
            "country": dice.pick("it", "NO"),
            "state": dice.pick("laz", "03"),
            "zip": "00100",
            "dma": "501",
        }
        asked = dice.subset(list(parts), 1, 2)
        return {"type": "location", "operator": "equals", **{key: parts[key] for key in asked}}
    latitude, longitude = dice.pick((0, 0), (0.5, 1), (45.5, 180))
    distance, unit = dice.pick((1, "meters"), (112, "kilometers"), (70, "miles"), (6000, "kilometers"))
    return {
        "type": "location", "operator": "within", "latitude": latitude, "longitude": longitude,
        "distance": distance, "unit": unit,
    }  # fmt: skip


def consent(dice: Dice) -> Document:
    """A consent criterion."""
    if dice.maybe(0.6):
        state = dice.pick("given", "rejected", "no_record")
        return {"type": "consent", "regulation": "gdpr", "purpose": dice.pick("ads", "mail", "never"), "state": state}
    return {"type": "consent", "regulation": "ccpa", "state": dice.pick("opted_out", "not_opted_out", "no_record")}


def device(dice: Dice) -> Document:
    """A device criterion."""
    if dice.maybe(0.3):
        return {"type": "device", "field": "os_version", **version_field_operator(dice)}
    name = dice.pick("device_type", "platform", "device_brand", "carrier", "device_country", "language")
    values = ("tablet", "phone", "ios", "Acme", "a", "AB", "US", "us", "de", "FR", "en")
    return {"type": "device", "field": name, **text_operator(dice, *values)}


def identity(dice: Dice) -> Document:
    """An identity criterion."""
    kind = dice.pick("email", "email", "customer_id", "facebook", "ios_idfv", "fax", "yahoo")
    return {"type": "identity", "identity_type": kind, **text_operator(dice, "a@x", "B@X", "x", "d1")}


def attribution(dice: Dice) -> Document:
    """An attribution criterion."""

    def named() -> Document:
        return text_operator(dice, "facebook", "Google", "spring", "autumn", "o")

    parts = dice.part(0.6, publisher=named, campaign=named)
    return {"type": "attribution", "event": dice.pick("install", "install", "uninstall"), **parts}


def user_attribute(dice: Dice) -> Document:
    """A user attribute criterion."""
    name = dice.pick("a", "b", "c", "a", "b", "c", "never")
    return {"type": "user_attribute", "attribute": name, **any_operator(dice)}


NUMBER_RESULTS: Final = ("count", "sum", "minimum", "maximum", "average", "unique_count")


def calculated_attribute(dice: Dice, definition: Document) -> Document:
    """A calculated attribute criterion: its operators follow the result's type."""
    calculation = definition["calculation"]
    if dice.maybe(0.2):
        predicate = presence(dice)
    elif calculation in ("count", "unique_count"):
        predicate = count_operator(dice)
    elif calculation in NUMBER_RESULTS:
        predicate = number_operator(dice)
    elif calculation.endswith("_timestamp"):
        predicate = beside(past_window(dice))
    else:
        predicate = (list_operator if calculation == "unique_list" else any_operator)(dice)
    named = {key: definition[key] for key in ("workspace", "name")}
    return {"type": "calculated_attribute", **named, **predicate}


PROFILE: Final[tuple[Callable[[Dice], Document], ...]] = (
    user_attribute,
    user_attribute,
    consent,
    device,
    lambda dice: {"type": "first_seen", "when": past_window(dice)},
    lambda dice: {"type": "last_seen", "when": past_window(dice)},
    place,
    place,
    identity,
    attribution,
)


def profile(dice: Dice, frame: Frame) -> Document:
    """A profile criterion, with or without its workspace."""
    mine = [each for each in frame.around.calculated if each["workspace"] in frame.workspaces]
    if mine and dice.maybe(0.9 if dice.theme == "calculated" else 0.2):
        return calculated_attribute(dice, dice.pick(*mine))
    themed = {"attribution": attribution, "attributes": user_attribute, "places": place, "devices": device}
    make = themed.get(dice.theme or "") if dice.maybe(0.7) else None
    node = (make or dice.pick(*PROFILE))(dice)
    return {**node, "workspace": dice.pick(*frame.workspaces)} if dice.maybe(0.4) else node


# --- trees -------------------------------------------------------------------------------------------------------


LEAVES: Final[dict[str, tuple[str, ...]]] = {
    "sessions": ("event",),
    "commerce": ("event", "cart"),
    "attribution": ("event", "profile", "profile"),
    "sequences": ("sequence",),
    "aggregates": ("event",),
    "calculated": ("profile",),
    "installs": ("event",),
    "attributes": ("profile",),
    "places": ("profile",),
    "windows": ("event",),
    "devices": ("profile",),
}
"""The leaves that a theme is about."""


def node(dice: Dice, frame: Frame, depth: int) -> Document:
    """A tree of criteria of at most `depth` levels."""
    shape = dice.pick("leaf", "and", "or", "not") if depth > 1 else "leaf"
    if shape in ("and", "or"):
        few = 0 if dice.maybe(0.1) else 1
        return {"type": shape, "criteria": dice.several(lambda: node(dice, frame, depth - 1), few, 3)}
    if shape == "not":
        return {"type": "not", "criterion": node(dice, frame, depth - 1)}
    kind = dice.pick("event", "event", "event", "profile", "profile", "profile", "cart", "sequence", "named")
    if dice.theme and dice.maybe(0.7):
        kind = dice.pick(*LEAVES[dice.theme])
    if kind == "named" and frame.named:
        operator = dice.pick("in", "not_in")
        return {"type": "audience_membership", "audience": dice.pick(*frame.named), "operator": operator}
    if kind == "cart":
        return cart(dice)
    if kind == "sequence":
        return sequence(dice, frame)
    return event(dice, frame) if kind == "event" else profile(dice, frame)


def audience(dice: Dice, around: Surroundings, named: list[str] | None = None, depth: int = 4) -> Document:
    """An audience document with a random scope."""
    workspaces = dice.subset(list(around.inputs), 1, 2)
    every = Frame(around, workspaces, None, []).inputs(selected_only=False)
    selected = dice.subset(every, 1, 2) if dice.maybe(0.2) else None
    frame = Frame(around, workspaces, selected, named or [])
    root = node(dice, frame, dice.randint(1, depth))
    return {
        "name": "Random",
        "workspaces": workspaces,
        "inputs": selected,
        "lookback_days": dice.pick(*[None] * 7, 1, 7, 30),
        "definition": {"version": 1, "root": root},
    }


def calculated_attributes(dice: Dice, workspaces: list[str], demoted: list[tuple[str, str]]) -> list[Document]:
    """Up to three calculated attributes."""
    made = []
    few = 3 if dice.theme == "calculated" else dice.randrange(4)
    for name in ["one", "two", "three"][:few]:
        calculation = dice.pick(
            *(*NUMBER_RESULTS, "most_frequent", "most_frequent", "first_value", "last_value", "unique_list"),
            *("first_timestamp", "last_timestamp"),
        )
        plain = calculation == "count" or calculation.endswith("_timestamp")
        windows = (None, None, {"type": "within_last", **span(dice)}, {"type": "after", "date": dice.pick(*DATES)})
        made.append(
            {
                "workspace": dice.pick(*workspaces),
                "name": name,
                "calculation": calculation,
                "event": event_parts(dice, demoted),
                "of": None if plain else event_reference(dice, SINGLE_FIELDS),
                "window": dice.pick(*windows),
            }
        )
    return made
