"""Random data and random valid definitions, in small alphabets so that things collide.

`situations` gives worlds to load (batches through several inputs and workspaces, settings) with definitions and a
moment that belong to them. Hypothesis draws a seed and `situation` makes everything of it: drawing choice by choice,
hypothesis repeats itself and stays with tiny trees, so few audiences would have some members and not all.
What fails is made small by tests/smaller.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Document = dict[str, Any]

NOW: Final = round(datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp() * 1000)
HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR
OFFSETS: Final = (
    0, 1, -1, -HOUR, -HOUR - 1, -12 * HOUR, -12 * HOUR - 1, -DAY, -DAY - 1, -DAY + 1, -2 * DAY, -3 * DAY, -3 * DAY - 1,
    -7 * DAY, -7 * DAY - 1, -30 * DAY, -30 * DAY - 1, -31 * DAY, -90 * DAY, HOUR, DAY, 2 * DAY,
    -HOUR, -DAY, -2 * DAY, -2 * DAY + HOUR, -5 * HOUR, -2 * HOUR, -10 * HOUR, -6 * DAY, -36 * HOUR, -36 * HOUR - 1,
)  # fmt: skip
"""Distances of random moments from `NOW`: the edges of windows, a millisecond beyond them, midnight and month ends."""

INPUTS: Final = {"ios": "platform", "web": "platform", "crm": "feed"}
DEMOTABLE: Final = (("custom", "ping"), ("screen_view", "Debug"), ("attribution", "attribution"))
TEXTS: Final = (
    *("x", "x", "x", "X", "X", "xy", "blue", "blue", "", "é", "É", "a.b", "a*b", "東京", "1", "1", "10", "1.0", "0.1"),
    *(" 1 ", "1e1", "NaN", "0x1F", "true", "FALSE", "2.9", "2.10", "2.10.0"),
    *("2026-01-30", "2026-01-31T12:00:00Z", "2026-01-28T12:00:00.000+00:00", "2026-01-29T12:00:00+01:00"),
)
SORTS: Final[dict[str, tuple[Any, ...]]] = {
    "strings": ("x", "X", "xy", "blue", "", "é", "É", "1", None),
    "numbers": (1, 1.0, "1", "1.0", 10, "1e1", 0.1, "0.1", 0.2, -5, 2**53 + 1, True, "x", None),
    "dates": ("2026-01-30", "2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31T00:00:00+02:00", "2026-01-25", None, 5),
    "versions": ("2", "2.0", 2, "2.9", "2.10", "2.10.0", "2.x", 2.9, None),
    "booleans": (True, False, "true", "TRUE", "False", 0, 1, None),
}
"""Values of one sort, for situations in which all values are of it."""

NUMBERS: Final = (0, 1, 1, 1, 10, 10, 10.0, 0.1, 0.2, 34.32, -5, 2**53 + 1, 1e20)
AMOUNTS: Final = (0.1, 0.2, 10, 10, "10", 20.5, -5, 0, None, "x", True)


THEMES: Final = (
    *("sessions", "commerce", "attribution", "sequences", "aggregates", "calculated", "installs", "attributes"),
    *("places", "windows", "devices"),
)
"""What a situation is about: its events and criteria are mostly of one sort, so that rare rules meet their data."""


class Dice(Random):
    """A random source with the words that the generators use; `theme` and `sort` narrow what they make."""

    theme: str | None = None
    sort: str | None = None

    def pick(self, *options: T) -> T:
        """One of the options."""
        return options[self.randrange(len(options))]

    def maybe(self, chance: float) -> bool:
        """True with this chance."""
        return self.random() < chance

    def several(self, make: Callable[[], T], low: int, high: int) -> list[T]:
        """Between `low` and `high` of what `make` makes."""
        return [make() for _ in range(self.randint(low, high))]

    def part(self, chance: float, **makers: Callable[[], Any]) -> Document:
        """A dict in which each key is there with this chance."""
        return {key: make() for key, make in makers.items() if self.maybe(chance)}

    def subset(self, options: Sequence[T], low: int, high: int) -> list[T]:
        """Between `low` and `high` different options."""
        return self.sample(list(options), min(self.randint(low, high), len(options)))

    def moment(self) -> int:
        """A moment near now or near an edge."""
        return NOW + self.pick(*OFFSETS)

    def scalar(self) -> Any:
        """A value of any type but a list, or one of the sort."""
        if self.sort in SORTS:
            return self.pick(*SORTS[self.sort])
        kind = self.randrange(10)
        if kind < 5:
            return self.pick(*TEXTS)
        return self.pick(*NUMBERS) if kind < 8 else self.pick(True, False, None)

    def value(self) -> Any:
        """A value of any type."""
        return self.several(self.scalar, 0, 3) if self.maybe(0.8 if self.sort == "lists" else 0.1) else self.scalar()

    def bag(self, *keys: str, chance: float = 0.6) -> Document:
        """Custom attributes under some of the keys."""
        return self.part(chance, **dict.fromkeys(keys, self.value))


# --- data --------------------------------------------------------------------------------------------------------


def location(dice: Dice) -> Document:
    """A location with any of its parts, coordinates both or not at all."""
    parts = dice.part(
        0.4,
        city_name=lambda: dice.pick("Rome", "rome", "Oslo", None),
        country_code=lambda: dice.pick("IT", "NO"),
        region_code=lambda: dice.pick("LAZ", "03"),
        postal_code=lambda: dice.pick("00100", "0150"),
        dma_code=lambda: dice.pick(501, "501", None),
        accuracy=lambda: 5,
    )
    if dice.maybe(0.6):
        parts["latitude"], parts["longitude"] = dice.pick((0, 0), (0, 1), (45.5, 10), (45.5, -179.5))
    return parts


def product(dice: Dice) -> Document:
    """A product of a commerce event."""
    return dice.part(
        0.6,
        id=lambda: dice.pick("p1", "p2"),
        name=lambda: dice.pick("Hat", "hat", "Shoe"),
        brand=lambda: dice.pick("Acme", None),
        category=lambda: "x",
        price=lambda: dice.pick(*AMOUNTS),
        quantity=lambda: dice.pick(1, 2, "3"),
        custom_attributes=lambda: dice.bag("a", "b"),
    )


def products(dice: Dice) -> list[Document]:
    """Some products."""
    return dice.several(lambda: product(dice), 0, 3)


def product_action(dice: Dice) -> Document:
    """The body of a product action."""
    action = dice.pick("add_to_cart", "add_to_cart", "purchase", "purchase", "view_detail", "refund")
    more = dice.part(
        0.5,
        total_amount=lambda: dice.pick(*AMOUNTS),
        transaction_id=lambda: dice.pick("t1", "t2"),
        coupon_code=lambda: dice.pick("C", ""),
        checkout_step=lambda: dice.pick(1, 2),
        product_action_list=lambda: dice.pick("Hot", "New"),
        products=lambda: products(dice),
    )
    return {"action": action, **more}


def crash(dice: Dice) -> Document:
    """What tells of a crash."""
    body = {"severity": dice.pick("fatal", "error"), "class_name": dice.pick("Null", "", None)}
    return {**body, "exception_handled": dice.pick(True, False)}


def publisher(dice: Dice) -> Document:
    """The custom attributes of an attribution."""
    found = dice.part(
        0.8,
        publisher=lambda: dice.pick("Facebook", "facebook", "Google"),
        campaign=lambda: dice.pick("spring", "Autumn"),
    )
    return {**found, "action": "delete"} if dice.maybe(0.15) else found


def commerce(dice: Dice) -> Document:
    """The data of a commerce event: an action, promotions, impressions, or a crash under a wrong label."""
    kind = dice.randrange(8)
    currency = {"currency_code": dice.pick("USD", "USD", "EUR", None)}
    if kind < 5:
        return {**currency, "product_action": product_action(dice)}
    if kind == 5:
        named = dice.several(lambda: dice.part(0.8, id=lambda: dice.pick("r1", "r2"), name=lambda: "Spring"), 0, 2)
        return {**currency, "promotion_action": {"action": dice.pick("view", "click"), "promotions": named}}
    if kind == 6:
        lists = dice.several(
            lambda: {"product_impression_list": dice.pick("Hot", "New"), "products": products(dice)}, 1, 2
        )
        return {**currency, "product_impressions": lists}
    return crash(dice)


def custom(dice: Dice) -> Document:
    """The data of a custom event."""
    return {
        "event_name": dice.pick("E", "E", "E", "F", "e", "ping"),
        "custom_event_type": dice.pick("other", "other", "other", "navigation", "media", "unknown"),
    }


def attribution(dice: Dice) -> Document:
    """The data of a custom event of type attribution."""
    name = dice.pick("attribution", "attribution", "uninstall", "re-engagement")
    return {"event_name": name, "custom_event_type": "attribution", "custom_attributes": publisher(dice)}


def transition(dice: Dice) -> Document:
    """The data of an application state transition."""
    kind = dice.pick("application_initialized", "application_initialized", "application_background")
    return {"application_transition_type": kind, **dice.part(0.5, is_first_run=lambda: True, is_upgrade=lambda: True)}


BODIES: Final[tuple[tuple[str, int, Callable[[Dice], Document]], ...]] = (
    ("custom_event", 5, custom),
    ("attribution", 2, attribution),
    ("commerce_event", 5, commerce),
    ("crash_report", 1, crash),
    ("screen_view", 2, lambda dice: {"screen_name": dice.pick("Home", "Home", "Cart", "Debug")}),
    ("session_start", 3, lambda dice: {}),
    ("session_end", 2, lambda dice: {"session_duration_ms": dice.pick(10, 1000, 2000)}),
    ("application_state_transition", 2, transition),
    ("first_run", 1, lambda dice: {}),
    ("uninstall", 1, lambda dice: {"custom_attributes": publisher(dice)}),
    ("smoke_signal", 1, lambda dice: {}),
)


THEMED: Final[dict[str, tuple[str, ...]]] = {
    "sessions": ("session_start", "session_end"),
    "commerce": ("commerce_event",),
    "attribution": ("attribution", "uninstall"),
    "sequences": ("custom_event", "screen_view", "crash_report"),
    "aggregates": ("custom_event", "commerce_event"),
    "calculated": ("custom_event", "commerce_event"),
    "installs": ("application_state_transition", "first_run", "crash_report", "uninstall", "commerce_event"),
    "windows": ("custom_event", "session_start"),
}


def event(dice: Dice) -> Document:
    """One event of any kind, or of the theme's."""
    about = THEMED.get(dice.theme or "", ())
    bodies = [body for body in BODIES if body[0] in about] or BODIES
    kind, make = dice.choices([(kind, make) for kind, _, make in bodies], [weight for _, weight, _ in bodies])[0]
    kind = "custom_event" if kind == "attribution" else kind
    shared = dice.part(
        0.5 if dice.theme == "places" else 0.15,
        location=lambda: location(dice),
        source_message_id=lambda: dice.pick("m1", "m2", "m3", "m4", None),
    )
    told = 0.95 if dice.theme in ("calculated", "aggregates") else 0.6
    data = {**shared, **dice.part(told, custom_attributes=lambda: dice.bag("a", "b")), **make(dice)}
    if kind.startswith("session") or dice.maybe(0.1):
        data.update(dice.pick({"session_uuid": "u"}, {"session_uuid": "v"}, {"session_id": 1}, {"session_id": 2}, {}))
    if dice.maybe(0.7 if dice.theme in ("attribution", "places") else 0.93):
        data["timestamp_unixtime_ms"] = dice.moment()
    return {"event_type": kind, "data": data}


def device(dice: Dice) -> Document:
    """The device of a batch."""
    return dice.part(
        0.4,
        platform=lambda: dice.pick("iOS", "Android"),
        os_version=lambda: dice.pick("9", "9.10", "10.0", "x", None),
        brand=lambda: "Acme",
        network_carrier=lambda: dice.pick("A", "a", "AB"),
        is_tablet=lambda: dice.pick(True, False),
        device_country=lambda: dice.pick("US", "DE", None),
        network_country=lambda: dice.pick("us", "FR"),
        locale_country=lambda: "FR",
        locale_language=lambda: dice.pick("en", "fr"),
        ios_idfv=lambda: dice.pick("d1", "d2", "", "00000000-0000-0000-0000-000000000000"),
    )


def identities(dice: Dice) -> Any:
    """Identities as a map, sometimes as the outbound array."""

    def value() -> str | None:
        return dice.pick("a@x", "b@x", "A@x", "", None)

    if dice.maybe(0.2):
        return dice.several(lambda: {"identity_type": dice.pick("email", "customer_id"), "identity": value()}, 0, 2)
    return dice.part(0.4, email=value, customer_id=value, customerid=value, facebook=value, fax=value)


def consent(dice: Dice) -> Document:
    """A consent state."""

    def given() -> Document:
        return {"consented": dice.pick(True, False), "timestamp_unixtime_ms": dice.moment()}

    return dice.part(
        0.6, gdpr=lambda: dice.part(0.6, ads=given, mail=given), ccpa=lambda: {"data_sale_opt_out": given()}
    )


def batch(dice: Dice) -> Document:
    """One batch."""
    made = dice.part(
        0.6 if dice.theme in ("devices", "places") else 0.3,
        deleted_user_attributes=lambda: dice.subset(["a", "b"], 0, 2),
        user_identities=lambda: identities(dice),
        device_info=lambda: device(dice),
        application_info=lambda: dice.part(
            0.7,
            application_version=lambda: dice.pick("2.9", "2.10", "2.10.0", "beta"),
            application_build_number=lambda: dice.pick("42", 42),
        ),
        consent_state=lambda: consent(dice),
        context=lambda: {"location": location(dice)},
    )
    made |= dice.part(0.6, user_attributes=lambda: dice.bag("a", "b", "c"))
    made |= dice.part(0.8, events=lambda: dice.several(lambda: event(dice), 0, 8))
    if dice.maybe(0.5 if dice.theme == "attribution" else 0.1):
        made["attribution_info"] = {"publisher": dice.pick("Facebook", "Google"), "campaign": "spring"}
    made |= dice.part(
        0.1,
        source_request_id=lambda: dice.pick("r1", "r2", "r3"),
        environment=lambda: dice.pick("production", "development"),
    )
    if dice.maybe(0.93):
        made["timestamp_unixtime_ms"] = dice.moment()
    if dice.maybe(0.9):
        made["mpid"] = dice.pick(1, 1, 2, 2, 3, 3, 4, 5, -6, 2**62)
    else:
        made["user_identities"] = identities(dice)
    return made


# --- situations --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Load:
    """One call of load_batches."""

    workspace: str
    input: str
    batches: list[Document]
    received_at: int | None = None

    @property
    def kind(self) -> str:
        """Platform or feed, by the input's name."""
        return INPUTS[self.input]


@dataclass(frozen=True)
class Situation:
    """Data, settings, audiences to ask for, those that they may name, and the moment."""

    loads: list[Load]
    now: int
    audiences: list[Document]
    named: dict[str, Document] = field(default_factory=dict)
    calculated: list[Document] = field(default_factory=list)
    demoted: list[tuple[str, str]] = field(default_factory=list)
    retention_days: int | None = None

    @property
    def workspaces(self) -> list[str]:
        """Every workspace that was loaded."""
        return list(dict.fromkeys(load.workspace for load in self.loads))


def load(dice: Dice) -> Load:
    """One load, sometimes with an arrival time."""
    batches = dice.several(lambda: batch(dice), 3, 10)
    return Load(dice.pick("app", "app", "shop"), dice.pick(*INPUTS), batches, dice.pick(None, dice.moment()))


def inputs_of(loads: list[Load]) -> dict[str, list[str]]:
    """The inputs of each workspace."""
    found: dict[str, list[str]] = {}
    for each in loads:
        names = found.setdefault(each.workspace, [])
        if each.input not in names:
            names.append(each.input)
    return found


def situation(dice: Dice, audience_count: int = 4) -> Situation:
    """A world with definitions that are valid in it."""
    from tests.definitions import Surroundings, audience, calculated_attributes

    dice.theme = dice.pick(None, *THEMES) if dice.maybe(0.8) else None
    dice.sort = dice.pick(None, "lists", *SORTS)
    loads = dice.several(lambda: load(dice), 1, 3)
    inputs = inputs_of(loads)
    demoted = dice.subset(DEMOTABLE, 0, 1)
    calculated = calculated_attributes(dice, list(inputs), demoted)
    around = Surroundings(inputs, demoted, calculated)
    return Situation(
        loads=loads,
        now=dice.pick(NOW, NOW, NOW, NOW, NOW, NOW + 1, NOW - DAY, NOW - 12 * HOUR, NOW + 2 * DAY),
        audiences=[audience(dice, around, ["N"]) for _ in range(audience_count)],
        named={"N": audience(dice, around)},
        calculated=calculated,
        demoted=demoted,
        retention_days=dice.pick(*[None] * 8, 3, 30),
    )


dices: Final = st.integers(min_value=0, max_value=2**63).map(Dice)
situations: Final = dices.map(situation)
