"""What is asked: the 13 audiences and one for each kind of criterion, as documents and as SQL. `edit` 0 is the audience
itself, 1, 2, ... change one criterion of it.

The SQL is what an analyst would write over flat tables, `profiles`, `events` and `consents`, for DuckDB; the 13 run in
ClickHouse too. `{has}` is the one function that they name differently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.benchmarks.data import CITIES, DAY_MS, END_MS, TAGS

HOUR_MS: Final = 3_600_000
Document = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One audience: its definition's root and its SQL, each for an edit."""

    name: str
    title: str
    root: Callable[[int], Document]
    sql: Callable[[int], str]

    def document(self, edit: int = 0) -> Document:
        """The audience document."""
        return {"name": self.name, "workspaces": ["app"], "definition": {"version": 1, "root": self.root(edit)}}


# -- words ------------------------------------------------------------------------------------------------------------


def within(amount: int, unit: str = "days") -> Document:
    return {"type": "within_last", "amount": amount, "unit": unit}


def event(kind: str, name: str | None = None, **rest: Any) -> Document:
    return {"type": "event", "kind": kind, **({"name": name} if name else {}), **rest}


def often(operator: str, value: int, count: str = "events") -> Document:
    return {"operator": operator, "value": value, "count": count}


def compared(operator: str, value: Any, **what: str) -> Document:
    return {**what, "operator": operator, "value": value}


def both(*criteria: Document) -> Document:
    return {"type": "and", "criteria": list(criteria)}


def either(*criteria: Document) -> Document:
    return {"type": "or", "criteria": list(criteria)}


def exclude(criterion: Document) -> Document:
    return {"type": "not", "criterion": criterion}


def attribute(name: str, operator: str, value: Any) -> Document:
    return {"type": "user_attribute", "attribute": name, "operator": operator, "value": value}


def since(days: int) -> str:
    return f"ts >= {END_MS - days * DAY_MS} AND ts <= {END_MS}"


def did(name: str, where: str, having: str = "") -> str:
    grouped = f" GROUP BY mpid HAVING {having}" if having else ""
    return f"mpid IN (SELECT mpid FROM events WHERE event_name = '{name}' AND {where}{grouped})"


def profiles(where: str) -> str:
    return f"SELECT mpid FROM profiles WHERE {where}"


KILOMETERS: Final = (
    "2 * 6371.0088 * asin(least(1.0, sqrt(pow(sin((radians(latitude) - radians({lat})) / 2), 2) "
    "+ cos(radians(latitude)) * cos(radians({lat})) * pow(sin((radians(longitude) - radians({lon})) / 2), 2))))"
)
BERLIN: Final = (52.52437, 13.41053)
"""As GeoNames has it."""

# -- the 13 -----------------------------------------------------------------------------------------------------------

WORDS: Final = ("shoe", "lamp", "watch", "bag", "laptop", "camera", "tent", "bike", "book", "guitar")
SCREENS: Final = ("home", "deals", "cart", "video", "article", "help", "search", "profile", "settings", "product")
COUNTRIES: Final = ("FR", "GB", "BR", "IN", "JP", "ES", "IT", "NL", "CA", "AU")


def _countries(edit: int) -> list[str]:
    return ["US", "DE", *([COUNTRIES[edit - 1]] if edit else [])]


def _spent(edit: int) -> Document:
    amount = {"function": "sum", "of": {"field": "total_amount"}, **compared("greater_than", 500.005)}
    return event("ecommerce", "purchase", when=within(90 - edit), aggregate=amount)


def _spent_sql(edit: int) -> str:
    return did("purchase", since(90 - edit), "sum(revenue) > 500.005")


def _abandoned(edit: int) -> Document:
    return {"type": "cart_abandonment", "wait": {"amount": 2, "unit": "hours"}, "when": within(7 + edit)}


def _abandoned_sql(edit: int) -> str:
    return (
        "mpid IN (SELECT a.mpid FROM (SELECT mpid, max(ts) AS t FROM events WHERE event_name = 'add_to_cart' AND "
        f"{since(7 + edit)} GROUP BY mpid) AS a LEFT JOIN (SELECT mpid, max(ts) AS t, 1 AS bought FROM events WHERE "
        f"event_name = 'purchase' AND {since(7 + edit)} GROUP BY mpid) AS b ON a.mpid = b.mpid "
        f"WHERE a.t <= {END_MS - 2 * HOUR_MS} AND (b.bought IS NULL OR b.bought = 0 OR b.t < a.t))"
    )


def _near(edit: int) -> Document:
    place = {"city": "Berlin, DE", "distance": 50 + 5 * edit, "unit": "kilometers"}
    return {"type": "location", "operator": "within", **place}


def _a9(edit: int) -> Document:
    screens = [compared("starts_with", SCREENS[edit], field="screen_name")]
    seen = event("screen_view", where=screens, when=within(30), frequency=often("at_least", 3))
    return both(
        seen,
        either(attribute("ltv", "greater_than", 100), attribute("interests", "includes", "sports")),
        exclude(event("custom", "email_unsubscribe")),
    )


def _a12(edit: int) -> Document:
    long = [compared("greater_than", 600 + 30 * edit, attribute="duration_s")]
    return either(
        event("custom", "search", where=[compared("contains", "phone", attribute="search_term")], when=within(90)),
        event("custom", "video_play", where=long, when=within(30), frequency=often("at_least", 2)),
    )


THIRTEEN: Final = (
    Asked(
        "A1",
        "product_view in 7 days",
        lambda edit: event("ecommerce", "view_detail", when=within(7 + edit)),
        lambda edit: profiles(did("product_view", since(7 + edit))),
    ),
    Asked(
        "A2",
        "purchase >= 3 in 30 days and country in 2",
        lambda edit: both(
            event("ecommerce", "purchase", when=within(30), frequency=often("at_least", 3)),
            attribute("country", "is_in", _countries(edit)),
        ),
        lambda edit: profiles(
            did("purchase", since(30), "count(*) >= 3")
            + f" AND country IN ({', '.join(repr(each) for each in _countries(edit))})"
        ),
    ),
    Asked(
        "A3",
        "purchase exactly once in 120 days",
        lambda edit: event("ecommerce", "purchase", when=within(120), frequency=often("equals", 1 + edit)),
        lambda edit: profiles(did("purchase", since(120), f"count(*) = {1 + edit}")),
    ),
    Asked(
        "A4",
        "no session in 30 days and e-mail contains gmail",
        lambda edit: both(
            event("session", when=within(30 + edit), frequency=often("equals", 0)),
            {"type": "identity", "identity_type": "email", "operator": "contains", "value": "gmail"},
        ),
        lambda edit: profiles(f"NOT {did('session_start', since(30 + edit))} AND lower(email) LIKE '%gmail%'"),
    ),
    Asked(
        "A5",
        "product_view of a shoe >= 3 in 90 days",
        lambda edit: event(
            "ecommerce",
            "view_detail",
            where_product=[compared("contains", WORDS[edit], field="name")],
            when=within(90),
            frequency=often("at_least", 3),
        ),
        lambda edit: profiles(
            did("product_view", f"{since(90)} AND lower(product) LIKE '%{WORDS[edit]}%'", "count(*) >= 3")
        ),
    ),
    Asked(
        "A6",
        "add_to_cart on iOS 6 to 4 days ago",
        lambda edit: event(
            "ecommerce",
            "add_to_cart",
            where=[compared("exact_match", "iOS", field="platform")],
            when={"type": "between_ago", "from": 4, "to": 6 + edit, "unit": "days"},
        ),
        lambda edit: profiles(
            did("add_to_cart", f"{since(6 + edit)} AND ts <= {END_MS - 4 * DAY_MS} AND lower(platform) = 'ios'")
        ),
    ),
    Asked("A7", "cart left for 2 hours, in 7 days", _abandoned, lambda edit: profiles(_abandoned_sql(edit))),
    Asked("A8", "revenue above 500 in 90 days", _spent, lambda edit: profiles(_spent_sql(edit))),
    Asked(
        "A9",
        "screens, ltv or interests, without unsubscribed",
        _a9,
        lambda edit: profiles(
            did("screen_view", f"{since(30)} AND lower(screen_name) LIKE '{SCREENS[edit]}%'", "count(*) >= 3")
            + " AND (ltv > 100 OR {has}(interests, 'sports')) AND NOT "
            + did("email_unsubscribe", f"ts <= {END_MS}")
        ),
    ),
    Asked(
        "A10",
        "in A8, not in A7, login in 3 days",
        lambda edit: both(
            {"type": "audience_membership", "audience": "A8", "operator": "in"},
            {"type": "audience_membership", "audience": "A7", "operator": "not_in"},
            event("custom", "login", when=within(3 + edit)),
        ),
        lambda edit: profiles(f"{_spent_sql(0)} AND NOT {_abandoned_sql(0)} AND {did('login', since(3 + edit))}"),
    ),
    Asked(
        "A11",
        "near Berlin and app_open in 14 days",
        lambda edit: both(_near(edit), event("custom", "app_open", when=within(14))),
        lambda edit: profiles(
            f"{KILOMETERS.format(lat=BERLIN[0], lon=BERLIN[1])} <= {50 + 5 * edit} AND {did('app_open', since(14))}"
        ),
    ),
    Asked(
        "A12",
        "searched phone, or long videos >= 2",
        _a12,
        lambda edit: profiles(
            did("search", f"{since(90)} AND lower(search_term) LIKE '%phone%'")
            + " OR "
            + did("video_play", f"{since(30)} AND duration_s > {600 + 30 * edit}", "count(*) >= 2")
        ),
    ),
    Asked(
        "A13",
        "any event >= 60 in 90 days",
        lambda edit: event("any", when=within(90 - edit), frequency=often("at_least", 60)),
        lambda edit: profiles(
            f"mpid IN (SELECT mpid FROM events WHERE {since(90 - edit)} GROUP BY mpid HAVING count(*) >= 60)"
        ),
    ),
)

# -- one for each kind of criterion -----------------------------------------------------------------------------------

SPENT_EVER: Final[Document] = {
    "name": "spent",
    "calculation": "sum",
    "event": {"kind": "ecommerce", "name": "purchase"},
    "of": {"field": "total_amount"},
}
"""The calculated attribute of the dataset."""

SEEN: Final = (
    "(SELECT mpid, ts FROM events UNION ALL SELECT mpid, seen AS ts FROM profiles "
    "UNION ALL SELECT mpid, ts FROM consents)"
)


def _aggregate(function: str, value: float, operator: str = "greater_than", **of: str) -> Document:
    return {"function": function, "of": of, **compared(operator, value)}


def _moment(kind: str, when: Document) -> Document:
    return {"type": kind, "when": when}


KINDS: Final = (
    Asked(
        "event, days",
        "app_open on >= 5 days in 30",
        lambda edit: event("custom", "app_open", when=within(30 + edit), frequency=often("at_least", 5, "days")),
        lambda edit: profiles(did("app_open", since(30 + edit), f"count(DISTINCT ts // {DAY_MS}) >= 5")),
    ),
    Asked(
        "event, unique_count",
        "10 products viewed in 30 days",
        lambda edit: event(
            "ecommerce",
            "view_detail",
            when=within(30 + edit),
            aggregate={"function": "unique_count", "of": {"product": {"field": "name"}}, **compared("at_least", 10)},
        ),
        lambda edit: profiles(did("product_view", since(30 + edit), "count(DISTINCT product) >= 10")),
    ),
    Asked(
        "event, average",
        "videos of 400 s on average in 60 days",
        lambda edit: event(
            "custom",
            "video_play",
            when=within(60 + edit),
            aggregate=_aggregate("average", 400.0005, attribute="duration_s"),
        ),
        lambda edit: profiles(did("video_play", since(60 + edit), "avg(duration_s) > 400.0005")),
    ),
    Asked(
        "event, maximum",
        "a purchase above 300 in 60 days",
        lambda edit: event(
            "ecommerce", "purchase", when=within(60 + edit), aggregate=_aggregate("maximum", 300, field="total_amount")
        ),
        lambda edit: profiles(did("purchase", since(60 + edit), "max(revenue) > 300")),
    ),
    Asked(
        "event, last",
        "the last level is 50 or more",
        lambda edit: event(
            "custom",
            "level_up",
            when=within(90 + edit),
            aggregate=_aggregate("last", 50, "at_least", attribute="level"),
        ),
        lambda edit: profiles(did("level_up", since(90 + edit), "argMax(level, ts) >= 50")),
    ),
    Asked(
        "event, crash",
        "a crash in 30 days",
        lambda edit: event("crash", when=within(30 + edit)),
        lambda edit: profiles(did("error", since(30 + edit))),
    ),
    Asked(
        "event, uninstall",
        "an uninstall in 60 days",
        lambda edit: event("uninstall", when=within(60 + edit)),
        lambda edit: profiles(did("app_uninstall", since(60 + edit))),
    ),
    Asked(
        "sequence",
        "search, then purchase within a day",
        lambda edit: {
            "type": "sequence",
            "steps": [event("custom", "search"), event("ecommerce", "purchase")],
            "within": {"amount": 24 + edit, "unit": "hours"},
        },
        lambda edit: profiles(
            "mpid IN (SELECT p.mpid FROM (SELECT mpid, ts FROM events WHERE event_name = 'purchase') AS p ASOF JOIN "
            "(SELECT mpid, ts AS begun FROM events WHERE event_name = 'search') AS s ON p.mpid = s.mpid AND "
            f"p.ts > s.begun WHERE p.ts - s.begun <= {(24 + edit) * HOUR_MS})"
        ),
    ),
    Asked(
        "user_attribute, number",
        "ltv above 300",
        lambda edit: attribute("ltv", "greater_than", 300 + edit),
        lambda edit: profiles(f"ltv > {300 + edit}"),
    ),
    Asked(
        "user_attribute, list",
        "interested in sports",
        lambda edit: attribute("interests", "includes", TAGS[edit]),
        lambda edit: profiles(f"{{has}}(interests, '{TAGS[edit]}')"),
    ),
    Asked(
        "user_attribute, text",
        "notes contain 77",
        lambda edit: attribute("notes", "contains", str(77 + edit)),
        lambda edit: profiles(f"lower(notes) LIKE '%{77 + edit}%'"),
    ),
    Asked(
        "calculated_attribute",
        "spent above 1000, ever",
        lambda edit: {"type": "calculated_attribute", "name": "spent", **compared("greater_than", 1000.005 + edit)},
        lambda edit: profiles(did("purchase", f"ts <= {END_MS}", f"sum(revenue) > {1000.005 + edit}")),
    ),
    Asked(
        "consent",
        "consented to advertising",
        lambda edit: {
            "type": "consent",
            "regulation": "gdpr",
            "purpose": "advertising",
            "state": ("given", "rejected")[edit % 2],
        },
        lambda edit: profiles(
            f"mpid IN (SELECT mpid FROM consents WHERE consented = {('true', 'false')[edit % 2]} AND ts <= {END_MS})"
        ),
    ),
    Asked(
        "device",
        "os_version at least 17",
        lambda edit: {"type": "device", "field": "os_version", **compared("at_least", f"{17 - edit % 5}")},
        lambda edit: profiles(f"CAST(regexp_extract(os_version, '^([0-9]+)', 1) AS INTEGER) >= {17 - edit % 5}"),
    ),
    Asked(
        "identity",
        "e-mail ends with @example.com",
        lambda edit: {
            "type": "identity",
            "identity_type": "email",
            **compared("ends_with", f"{edit or ''}@example.com"),
        },
        lambda edit: profiles(f"lower(email) LIKE '%{edit or ''}@example.com'"),
    ),
    Asked(
        "first_seen",
        "first seen in 120 days",
        lambda edit: _moment("first_seen", within(120 + edit)),
        lambda edit: profiles(
            f"mpid IN (SELECT mpid FROM {SEEN} AS s GROUP BY mpid HAVING min(ts) >= {END_MS - (120 + edit) * DAY_MS})"
        ),
    ),
    Asked(
        "last_seen",
        "not seen in 14 days",
        lambda edit: _moment("last_seen", {"type": "more_than_ago", "amount": 14 + edit, "unit": "days"}),
        lambda edit: profiles(
            f"mpid IN (SELECT mpid FROM {SEEN} AS s GROUP BY mpid HAVING max(ts) < {END_MS - (14 + edit) * DAY_MS})"
        ),
    ),
    Asked(
        "location, equals",
        "in one city",
        lambda edit: {
            "type": "location",
            "operator": "equals",
            "city": CITIES[edit][1],
            "country": CITIES[edit][0],
        },
        lambda edit: profiles(
            f"lower(city) = '{CITIES[edit][1].lower()}' AND lower(country) = '{CITIES[edit][0].lower()}'"
        ),
    ),
    Asked(
        "location, within",
        "within 50 km of Berlin",
        _near,
        lambda edit: profiles(f"{KILOMETERS.format(lat=BERLIN[0], lon=BERLIN[1])} <= {50 + 5 * edit}"),
    ),
    Asked(
        "attribution",
        "uninstalled by campaign 7",
        lambda edit: {
            "type": "attribution",
            "event": "uninstall",
            "campaign": compared("contains", f"{7 + edit:03d}"),
        },
        lambda edit: profiles(did("app_uninstall", f"ts <= {END_MS}", f"argMax(campaign, ts) LIKE '%{7 + edit:03d}%'")),
    ),
    Asked(
        "audience_membership",
        "in A2",
        lambda edit: {"type": "audience_membership", "audience": "A2", "operator": ("in", "not_in")[edit % 2]},
        lambda edit: profiles(
            ("", "NOT ")[edit % 2] + f"({did('purchase', since(30), 'count(*) >= 3')} AND country IN ('US', 'DE'))"
        ),
    ),
)
"""Cart abandonment is A7, the frequency of events A2, a logical group A9."""


def fifty() -> list[Asked]:
    """Fifty audiences that share criteria: edits of the 13."""
    made = [
        Asked(
            f"{each.name}.{edit}", each.title, lambda _, e=each, k=edit: e.root(k), lambda _, e=each, k=edit: e.sql(k)
        )
        for edit in range(4)
        for each in THIRTEEN
    ]
    return made[:50]
