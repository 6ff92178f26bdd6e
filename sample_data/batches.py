"""Visits as mParticle batches, input by input in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import numpy as np

from sample_data.actions import ACTIONS, PROMOTIONS, SCREENS, VARIANTS, Action, pool, screens
from sample_data.details import Details, Document, uuid_of
from sample_data.goods import products
from sample_data.people import IOS, WEB, People
from sample_data.visits import FIRST_HOTEL_INPUT, INPUTS, Visits
from sample_data.world import (
    AIRPORTS,
    CAMPAIGNS,
    CITIES,
    CRASHES,
    CURRENCIES,
    DESTINATIONS,
    PUBLISHERS,
    RELEASES,
    WEB_VERSION,
)

_CHUNK: Final = 4096
"""Visits turned into Python numbers at a time."""

Event = dict[str, Any]
Writer = Callable[[int, int, int], Event]
"""(argument, moment in ms, visit's currency * 4 + quantity - 1) -> event."""


class Batches:
    """The batches of the visits; `of(at)` iterates those of one input of `INPUTS`."""

    def __init__(self, people: People, visits: Visits, end_ms: int) -> None:
        self.people, self.visits = people, visits
        self.details = Details(people, end_ms)
        self._bounds = np.searchsorted(visits.input, np.arange(len(INPUTS) + 1)).tolist()

    def count(self, at: int) -> int:
        """How many batches `of(at)` yields."""
        return int(self._bounds[at + 1] - self._bounds[at])

    def of(self, at: int) -> Iterator[Document]:
        """The batches of one input."""
        workspace = INPUTS[at].workspace
        writers = [_writer(action, workspace) for action in ACTIONS]
        for low in range(self._bounds[at], self._bounds[at + 1], _CHUNK):
            yield from self._chunk(at, writers, low, min(low + _CHUNK, self._bounds[at + 1]))

    def _chunk(self, at: int, writers: list[Writer], low: int, high: int) -> Iterator[Document]:
        visits, rows = self.visits, slice(low, high)
        first = visits.first_event[low : high + 1]
        events = slice(int(first[0]), int(first[-1]))
        person = visits.person[rows]
        price = self.people.currency[person] * 4 + visits.quantity[rows] - 1
        acted = zip(
            visits.action[events].tolist(),
            visits.argument[events].tolist(),
            visits.at_ms[events].tolist(),
            np.repeat(price, np.diff(first)).tolist(),
            strict=True,
        )
        written = (writers[action](argument, at_ms, price) for action, argument, at_ms, price in acted)
        columns = (
            person,
            visits.start_ms[rows],
            visits.end_ms[rows],
            visits.sent_ms[rows],
            visits.nth[rows],
            np.diff(first),
        )
        rare = visits.is_first_run | visits.build_step | visits.is_attributed | visits.crashes
        is_rare = rare[rows].tolist()
        for number, (who, start, end, sent, nth, count) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            session = _session(at, low + number)
            inner = list(islice(written, count))
            opened = {"event_type": "session_start", "data": {"timestamp_unixtime_ms": start, **session}}
            closing = {"timestamp_unixtime_ms": end, **session, "session_duration_ms": end - start}
            body = [opened, *inner, {"event_type": "session_end", "data": closing}]
            batch = self._frame(at, low + number, who, nth, sent, body)
            if is_rare[number]:
                self._add_rare(at, low + number, batch)
            yield batch

    def _frame(self, at: int, visit: int, person: int, nth: int, sent_ms: int, events: list[Event]) -> Document:
        """A batch around its events: who, from which device, where, and what is newly known."""
        details, where = self.details, INPUTS[at]
        batch: Document = {
            "mpid": details.people.mpid[person],
            "environment": "production",
            "timestamp_unixtime_ms": sent_ms,
            "events": events,
            "device_info": details.device(person, where.platform),
            "application_info": _application(at, int(self.visits.release[visit])),
        }
        if self.visits.has_location[visit]:
            is_away = self.visits.is_away[visit]
            batch["context"] = details.away(self.visits.city[visit]) if is_away else details.home(person)
        if nth <= 2:
            batch["user_identities"] = details.identities(person, where.workspace, changed=nth == 2)
            consent = details.consent(person, sent_ms, second=nth == 2)
            if consent is not None:
                batch["consent_state"] = consent
        learned = details.attributes(person, where.workspace) if nth == 1 else {}
        if events[-2]["data"].get("transaction_id"):
            learned |= self._learned_by_buying(visit, person, where.workspace)
        if learned:
            batch["user_attributes"] = learned
        return batch

    def _learned_by_buying(self, visit: int, person: int, workspace: str) -> Document:
        bought = int(self.visits.bought_before[visit])
        if workspace == "travel-app":
            return {"points": self.details.people.points[person] + 120 * bought, "trips_booked": bought}
        return {"club_nights": self.details.people.hotel_nights[person] + 2 * bought}

    def _add_rare(self, at: int, visit: int, batch: Document) -> None:
        """Installs, upgrades, attribution and crashes go where they happen in the session."""
        visits, events = self.visits, batch["events"]
        start = int(visits.start_ms[visit])
        person = int(visits.person[visit])
        if visits.is_first_run[visit] or visits.build_step[visit]:
            data = {
                "timestamp_unixtime_ms": start + 20,
                "application_transition_type": "application_initialized",
                "is_first_run": bool(visits.is_first_run[visit]),
                "is_upgrade": bool(visits.build_step[visit]),
            }
            events.insert(1, {"event_type": "application_state_transition", "data": data})
        if visits.is_attributed[visit]:
            came = _attribution(self.people, person)
            if uses_attribution_info(at, person):
                batch["attribution_info"] = {"service_provider": "adjust", **came}
            else:
                events.insert(1, attribution_event("attribution", start + 10, came))
        if visits.crashes[visit]:
            events.insert(-1, _crash(int(visits.end_ms[visit]) - 100, visit))


def uses_attribution_info(at: int, person: int) -> bool:
    """Whether an attributed first visit says so in its batch, not by an event: the web, and every other iPhone."""
    return at >= WEB or (at == IOS and person % 2 == 0)


def _session(at: int, visit: int) -> Document:
    """Apps name a session by UUID, the web by number."""
    return (
        {"session_id": 7_000_000_000 + visit} if INPUTS[at].platform == WEB else {"session_uuid": uuid_of(9, visit + 1)}
    )


def _application(at: int, release: int, _known: dict[tuple[int, int], Document] = {}) -> Document:  # noqa: B006
    found = _known.get((at, release))
    if found is None:
        version, build, _ = RELEASES[release]
        name = "Voyage" if at < FIRST_HOTEL_INPUT else "Hotel Shop"
        found = {
            "application_name": name,
            "application_version": WEB_VERSION if INPUTS[at].platform >= WEB else version,
        }
        if INPUTS[at].platform < WEB:
            found |= {"application_build_number": str(build), "package": "example.voyage"}
        _known[at, release] = found
    return found


def _attribution(people: People, person: int) -> Document:
    return {"publisher": PUBLISHERS[people.publisher[person]], "campaign": CAMPAIGNS[people.campaign[person]]}


def attribution_event(name: str, at_ms: int, came: Document) -> Event:
    """A custom event of type attribution."""
    data = {"timestamp_unixtime_ms": at_ms, "event_name": name, "custom_event_type": "attribution"}
    return {"event_type": "custom_event", "data": {**data, "custom_attributes": came}}


def _crash(at_ms: int, visit: int) -> Event:
    class_name, message = CRASHES[visit % len(CRASHES)]
    data = {
        "timestamp_unixtime_ms": at_ms,
        "class_name": class_name,
        "message": message,
        "severity": "fatal" if visit % 3 else "error",
        "exception_handled": visit % 3 == 0,
    }
    return {"event_type": "crash_report", "data": data}


def transaction_id(argument: int, at_ms: int) -> str:
    """The number of the purchase of a product at a moment."""
    return f"T{at_ms:x}{argument:03x}"


def _writer(action: Action, workspace: str) -> Writer:
    """How events of an action are written in a workspace."""
    if action.form == "screen":
        return _screen_writer(action.name)
    if action.form == "custom":
        return _custom_writer(action)
    if action.form == "promotion":
        return _promotion_writer(action.name)
    if action.form == "impression":
        return _impression_writer(workspace)
    return _product_writer(action.name, workspace)


def _screen_writer(form: str) -> Writer:
    assert form in SCREENS
    known = screens(form)

    def write(argument: int, at_ms: int, _price: int) -> Event:
        name, attributes = known[argument]
        if attributes is None:
            return {"event_type": "screen_view", "data": {"timestamp_unixtime_ms": at_ms, "screen_name": name}}
        data = {"timestamp_unixtime_ms": at_ms, "screen_name": name, "custom_attributes": attributes}
        return {"event_type": "screen_view", "data": data}

    return write


def _custom_writer(action: Action) -> Writer:
    bags, name, custom_type = pool(action), action.name, action.custom_type

    def write(argument: int, at_ms: int, _price: int) -> Event:
        data: Document = {
            "timestamp_unixtime_ms": at_ms,
            "event_name": name,
            "custom_event_type": custom_type,
            "custom_attributes": bags[argument],
        }
        return {"event_type": "custom_event", "data": data}

    if custom_type != "location":
        return write
    airports = [AIRPORTS[place] for place in DESTINATIONS]
    country = {city.name: city.country for city in CITIES}

    def write_there(argument: int, at_ms: int, price: int) -> Event:
        place = argument // VARIANTS
        event = write(argument, at_ms, price)
        _, latitude, longitude = airports[place]
        there = {"latitude": latitude, "longitude": longitude, "country_code": country[DESTINATIONS[place]]}
        event["data"]["location"] = {**there, "city_name": DESTINATIONS[place]}
        return event

    return write_there


def _promotion_writer(name: str) -> Writer:
    actions = [{"action": name, "promotions": [promotion]} for promotion in PROMOTIONS]

    def write(argument: int, at_ms: int, _price: int) -> Event:
        data = {"timestamp_unixtime_ms": at_ms, "promotion_action": actions[argument % len(actions)]}
        return {"event_type": "commerce_event", "data": data}

    return write


def _impression_writer(workspace: str) -> Writer:
    goods = products(workspace)[0][0]
    kinds = len(goods) // len(DESTINATIONS)
    shown = [
        [{"product_impression_list": "Recommended", "products": goods[place * kinds : place * kinds + 3]}]
        for place in range(len(DESTINATIONS))
    ]

    def write(argument: int, at_ms: int, _price: int) -> Event:
        data = {"timestamp_unixtime_ms": at_ms, "product_impressions": shown[argument // VARIANTS]}
        return {"event_type": "commerce_event", "data": data}

    return write


def _product_writer(name: str, workspace: str) -> Writer:
    goods = products(workspace)
    kinds = len(goods[0][0]) // len(DESTINATIONS)
    places = [{"destination": place} for place in DESTINATIONS]

    def write(argument: int, at_ms: int, price: int) -> Event:
        data = {
            "timestamp_unixtime_ms": at_ms,
            "product_action": {"action": name, "products": [goods[price >> 2][price & 3][argument]]},
            "currency_code": CURRENCIES[price >> 2],
            "custom_attributes": places[argument // kinds],
        }
        return {"event_type": "commerce_event", "data": data}

    if name != "purchase":
        return write

    def write_purchase(argument: int, at_ms: int, price: int) -> Event:
        event = write(argument, at_ms, price)
        action = event["data"]["product_action"]
        if at_ms % 4 == 0:  # something small beside it
            extra = argument // kinds * kinds + kinds - 2
            action["products"].append(goods[price >> 2][0][extra])
        total = round(sum(product["total_product_amount"] for product in action["products"]), 2)
        action |= {
            "transaction_id": f"T{at_ms:x}{argument:03x}",
            "total_amount": total,
            "tax_amount": round(total / 6, 2),
        }
        if at_ms % 9 == 0:
            action |= {"coupon_code": "CITY10", "affiliation": "partner"}
        return event

    return write_purchase
