"""What arrives from servers: the CRM, the hotels' reservations, and uninstalls told by the push services.

Half of it carries no mpid: the profile is found by customer id or e-mail. Leads are known to the CRM alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from sample_data.actions import CODE
from sample_data.batches import attribution_event, transaction_id
from sample_data.details import Details, Document, uuid_of
from sample_data.goods import HOTEL_GOODS, TRIP_KINDS, products
from sample_data.people import HOURS, IOS, WEB, Ints, People
from sample_data.visits import FIRST_HOTEL_INPUT, HOUR_MS, Visits
from sample_data.world import CAMPAIGNS, CURRENCIES, DESTINATIONS, PUBLISHERS

Event = dict[str, Any]

REFUNDED_SHARE: Final = 0.05
UNINSTALLED_SHARE: Final = 0.35
"""Of those who left the app."""


class Feeds:
    """The batches of the feeds, each an iterator in no order of time (feeds arrive in bulk)."""

    def __init__(self, people: People, visits: Visits, details: Details, end_ms: int, seed: int) -> None:
        self.people, self.visits, self.details = people, visits, details
        self._end_ms, self._seed = end_ms, seed
        self._start_ms = end_ms - HOURS * HOUR_MS

    def crm(self) -> Iterator[Document]:
        """Scores, newsletters, refunds and leads of the travel app."""
        yield from self._scores()
        yield from self._newsletters()
        yield from self._refunds()
        yield from self._leads()

    def _rng(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, 3, stream])

    def _some(self, rng: np.random.Generator, share: float, *, hotel: bool = False) -> tuple[Ints, Ints]:
        """A share of a workspace's people, each with a moment after joining."""
        known = np.flatnonzero(self.people.in_hotel if hotel else self.people.in_travel)
        person = known[rng.random(len(known)) < share]
        joined = self.people.joined_hour[person]
        hour = joined + (HOURS - 0.2 - joined) * rng.random(len(person))
        return person, self._start_ms + (hour * HOUR_MS).astype(np.int64)

    def _whose(self, person: int, workspace: str) -> Document:
        """How a server names the person: e-mail or customer id where there is one, else mpid."""
        people = self.details.people
        if people.has_email[person] and person % 2:
            return {"user_identities": {"email": self.details.email(person)}}
        if people.has_customer_id[person] and person % 3 == 0:
            return {"user_identities": {"customer_id": self.details.customer_id(person, workspace)}}
        return {"mpid": people.mpid[person]}

    def _scores(self) -> Iterator[Document]:
        rng = self._rng(1)
        person, at_ms = self._some(rng, 0.35)
        columns = (person, at_ms, rng.integers(0, 11, len(person)), rng.beta(1.5, 6.0, len(person)).round(3))
        for who, at, score, risk in zip(*(column.tolist() for column in columns), strict=True):
            learned = {"nps": score if who % 5 else str(score), "churn_risk": risk, "segment": f"S{who % 8}"}
            batch = {**self._whose(who, "travel-app"), "timestamp_unixtime_ms": at, "user_attributes": learned}
            if who % 20 == 0:
                batch["deleted_user_attributes"] = ["beta_tester", "preferred_budget"]
            yield {**batch, "source_request_id": uuid_of(20, who + 1), "environment": "production"}

    def _newsletters(self) -> Iterator[Document]:
        rng = self._rng(2)
        person, at_ms = self._some(rng, 0.3)
        wanted = self.people.wants_newsletter[person] & self.people.has_email[person]
        person, at_ms = person[wanted], at_ms[wanted]
        for who, at, opened in zip(
            person.tolist(), at_ms.tolist(), rng.integers(1, 4, len(person)).tolist(), strict=True
        ):
            events = [_custom("Email Sent", "other", at - HOUR_MS, {"campaign": CAMPAIGNS[who % 6]})]
            events += [
                _custom(
                    "Email Opened", "other", at - 60_000 * step, {"campaign": CAMPAIGNS[who % 6], "link": f"L{step}"}
                )
                for step in range(opened)
            ]
            whose = {"user_identities": {"email": self.details.email(who)}}
            yield {**whose, "timestamp_unixtime_ms": at, "events": events, "source_request_id": uuid_of(21, who + 1)}

    def _refunds(self) -> Iterator[Document]:
        rng, visits = self._rng(3), self.visits
        last_travel = visits.first_event[np.searchsorted(visits.input, FIRST_HOTEL_INPUT)]
        bought = np.flatnonzero(visits.action[:last_travel] == CODE["product", "purchase"])
        bought = bought[rng.random(len(bought)) < REFUNDED_SHARE]
        visit = np.searchsorted(visits.first_event, bought, side="right") - 1
        at_ms = visits.at_ms[bought] + (rng.uniform(3.0, 160.0, len(bought)) * HOUR_MS).astype(np.int64)
        in_time = at_ms < self._end_ms - 1000
        columns = (bought, visit, at_ms, visits.argument[bought], visits.quantity[visit], visits.person[visit])
        goods = products("travel-app")
        for row, _, at, argument, quantity, who in zip(*(c[in_time].tolist() for c in columns), strict=True):
            currency = self.details.people.currency[who]
            product = goods[currency][quantity - 1][argument]
            number = transaction_id(argument, int(visits.at_ms[row]))
            action = {"action": "refund", "transaction_id": number, "total_amount": product["total_product_amount"]}
            data = {"timestamp_unixtime_ms": at, "product_action": {**action, "products": [product]}}
            place = {"destination": DESTINATIONS[argument // len(TRIP_KINDS)]}
            data |= {"currency_code": CURRENCIES[currency], "custom_attributes": place}
            event = {"event_type": "commerce_event", "data": data}
            yield {"mpid": self.details.people.mpid[who], "timestamp_unixtime_ms": at + 500, "events": [event]}

    def _leads(self) -> Iterator[Document]:
        rng = self._rng(4)
        leads = np.flatnonzero(self.people.is_lead)
        at_ms = self._start_ms + (rng.uniform(1.0, HOURS - 49.0, len(leads)) * HOUR_MS).astype(np.int64)
        for who, at in zip(leads.tolist(), at_ms.tolist(), strict=True):
            learned = {"lead_source": ("fair", "partner", "competition")[who % 3], "newsletter": True, "tier": None}
            whose = {"user_identities": {"email": self.details.email(who)}}
            yield {**whose, "timestamp_unixtime_ms": at, "user_attributes": learned, "events": None}
            if who % 4 == 0:
                answered = _custom("Email Opened", "other", at + 48 * HOUR_MS, {"campaign": CAMPAIGNS[who % 6]})
                yield {**whose, "timestamp_unixtime_ms": at + 48 * HOUR_MS + 900, "events": [answered]}

    def reservations(self) -> Iterator[Document]:
        """Stays of the hotels: the room bought at the desk or by telephone, arrival and departure."""
        rng = self._rng(5)
        person, at_ms = self._some(rng, 0.4, hotel=True)
        goods = products("hotel-shop")
        for who, at, nights in zip(
            person.tolist(), at_ms.tolist(), rng.integers(1, 5, len(person)).tolist(), strict=True
        ):
            place, currency = self.details.people.destination[who], self.details.people.currency[who]
            room = goods[currency][nights - 1][place * len(HOTEL_GOODS) + who % 4]
            stay = {"destination": DESTINATIONS[place], "nights": nights, "room": str(100 + who % 300)}
            action = {
                "action": "purchase",
                "transaction_id": f"D{who}-{at}",
                "total_amount": room["total_product_amount"],
            }
            bought = {"timestamp_unixtime_ms": at, "product_action": {**action, "products": [room]}}
            bought |= {"currency_code": CURRENCIES[currency], "custom_attributes": {"channel": "desk", **stay}}
            events = [
                {"event_type": "commerce_event", "data": bought},
                _custom("Check In", "transaction", at + 1000, stay),
            ]
            leaves = at + nights * 24 * HOUR_MS
            if leaves < self._end_ms - 1000:
                events.append(_custom("Check Out", "transaction", leaves, stay))
            sent = max(event["data"]["timestamp_unixtime_ms"] for event in events) + 500
            yield {**self._whose(who, "hotel-shop"), "timestamp_unixtime_ms": sent, "events": events}

    def uninstalls(self, at: int) -> Iterator[Document]:
        """Uninstalls of the app of input `at` (iOS or Android): a day to ten after somebody left."""
        if at >= WEB:
            return
        rng, people = self._rng(6 + at), self.people
        left = people.in_travel & (people.travel_platform == at) & (people.left_hour < HOURS - 24.0)
        person = np.flatnonzero(left)
        person = person[rng.random(len(person)) < UNINSTALLED_SHARE]
        hour = people.left_hour[person] + rng.uniform(24.0, 240.0, len(person))
        person, hour = person[hour < HOURS], hour[hour < HOURS]
        at_ms = self._start_ms + (hour * HOUR_MS).astype(np.int64)
        for who, moment in zip(person.tolist(), at_ms.tolist(), strict=True):
            data: Document = {"timestamp_unixtime_ms": moment}
            came = {"publisher": PUBLISHERS[who % 5], "campaign": "win_back"}
            if who % 4 == 0:
                data["custom_attributes"] = came
            events: list[Event] = [{"event_type": "uninstall", "data": data}]
            if who % 10 == 1:
                events.append(attribution_event("uninstall", moment, came))
            device = {"platform": "iOS" if at == IOS else "Android"}
            yield {
                "mpid": self.details.people.mpid[who],
                "timestamp_unixtime_ms": moment,
                "device_info": device,
                "events": events,
            }


def _custom(name: str, custom_type: str, at_ms: int, attributes: Document) -> Event:
    data = {"timestamp_unixtime_ms": at_ms, "event_name": name, "custom_event_type": custom_type}
    return {"event_type": "custom_event", "data": {**data, "custom_attributes": attributes}}
