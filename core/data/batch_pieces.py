"""What is read of batches, a few at a time: while they are in the processor's cache, which is most of what it takes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from core.data.batch_columns import FLAG, TEXT, Bags, Object, Objects, bags, lists, values
from core.data.batch_shapes import (
    ACTION_KEYS,
    APPLICATION_KEYS,
    CRASH_FIELDS,
    DEVICE_KEYS,
    EVENT_FLAGS,
    EVENT_SCALARS,
    EVENT_TEXTS,
    NO_UUID,
    PRODUCT_KEYS,
    SCALARS,
    Limits,
    Odd,
    device_identity,
    identity_type,
    says,
)

EVENTS: Final = 500
"""Batches are read as soon as they hold so many events, or there are a tenth as many of them."""

COMMERCE: Final = "commerce_event"

_BATCH_KEYS: Final = (
    "mpid",
    "timestamp_unixtime_ms",
    "source_request_id",
    "consent_state",
    "context",
    "ip",
    "attribution_info",
)
_DATA_KEYS: Final = (
    "timestamp_unixtime_ms",
    "source_message_id",
    "session_uuid",
    "location",
    *EVENT_TEXTS,
    *EVENT_FLAGS,
    *EVENT_SCALARS,
)
_COMMERCE_KEYS: Final = ("promotion_action", "product_impressions", "currency_code", "screen_name", *CRASH_FIELDS)


class Pieces:
    """Batches and their parts, each kind one behind the other. Adding raises Odd where they are not in the shape."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.batches = Objects(*_BATCH_KEYS)
        self.devices = Objects(*DEVICE_KEYS, "is_tablet")
        self.applications = Objects(*APPLICATION_KEYS)
        self.identities: list[tuple[int, str, str]] = []
        """The batch, type and value of each, in document order."""
        self.deleted: list[tuple[int, str]] = []
        """The batch and the name of each attribute that it deletes and does not set."""
        self.attributes = Bags(None, limits)
        self.lengths: list[int] = []
        """How many events each batch has."""
        self.kinds: list[str] = []
        self.datas = Objects(*_DATA_KEYS)
        self.event_attributes = Bags(Limits.ATTRIBUTES, limits)
        self.told: dict[int, Object] = {}
        """The attributes of events that may say where an install or uninstall came from."""
        self.commerce: list[int] = []
        """Which events are commerce events; the following are theirs."""
        self.commerce_datas = Objects(*_COMMERCE_KEYS)
        self.actions = Objects("action", *ACTION_KEYS)
        self.acted: list[bool] = []
        """Which have a product action."""
        self.product_counts: list[int] = []
        self.products = Objects(*PRODUCT_KEYS)
        self.product_attributes = Bags(Limits.ATTRIBUTES, limits)

    def add(self, batches: list[Object]) -> None:
        """Takes some more batches."""
        first, devices, given = len(self.batches), bags(batches, "device_info"), bags(batches, "user_attributes")
        for at, (batch, device) in enumerate(zip(batches, devices, strict=True), start=first):
            self.identities += [(at, *pair) for pair in identities_of(batch, device)]
        for at, names in enumerate(lists(batches, "deleted_user_attributes")):
            self.deleted += [(first + at, name) for name in _texts_only(names) if name not in given[at]]
        self.batches.add(batches)
        self.devices.add(devices)
        self.applications.add(bags(batches, "application_info"))
        self.attributes.add(given)
        found = lists(batches, "events")
        self.lengths += map(len, found)
        events = list(chain.from_iterable(found))
        if not {dict}.issuperset(map(type, events)):
            raise Odd("events")
        if events:
            self._events(events)

    def check(self) -> None:
        """Raises Odd where a value is of a wrong kind, even one that nobody reads."""
        self.datas.check(TEXT, *EVENT_TEXTS)
        self.datas.check(FLAG, *EVENT_FLAGS)
        self.datas.check(SCALARS, *EVENT_SCALARS)
        self.devices.check(SCALARS, *DEVICE_KEYS)

    def _events(self, events: list[Object]) -> None:
        kinds = values(events, "event_type")
        if not {str}.issuperset(map(type, kinds)) or "" in kinds:
            raise Odd("event_type")
        datas, before = bags(events, "data"), len(self.kinds)
        attributes = bags(datas, "custom_attributes")
        self.kinds += kinds
        self.datas.add(datas)
        self.event_attributes.add(attributes)
        for at, (kind, data) in enumerate(zip(kinds, datas, strict=True)):
            if kind == "uninstall" or data.get("custom_event_type") == "attribution":
                self.told[before + at] = attributes[at]
        if COMMERCE in kinds:
            rows = [at for at, kind in enumerate(kinds) if kind == COMMERCE]
            self.commerce += [before + at for at in rows]
            self._commerce([datas[at] for at in rows])

    def _commerce(self, datas: list[Object]) -> None:
        """The products of an action, or of all of an event's impressions, none of promotions or carts."""
        actions = bags(datas, "product_action")
        self.commerce_datas.add(datas)
        self.actions.add(actions)
        acted = [*map(says, actions)]
        self.acted += acted
        impressions = lists(datas, "product_impressions")
        if not {dict}.issuperset(map(type, chain.from_iterable(impressions))):
            raise Odd("product_impressions")
        found = [
            products if own else list(chain.from_iterable(lists(shown, "products"))) if shown else []
            for own, products, shown in zip(acted, lists(actions, "products"), impressions, strict=True)
        ]
        _check_unread([one for own, shown in zip(acted, impressions, strict=True) if own for one in shown])
        products = list(chain.from_iterable(found))
        if not {dict}.issuperset(map(type, products)):
            raise Odd("products")
        self.product_counts += map(len, found)
        self.products.add(products)
        self.product_attributes.add(bags(products, "custom_attributes"))


def _check_unread(impressions: list[Object]) -> None:
    """Raises Odd where impressions beside a product action, which nobody reads, are not as `canonical` wants them."""
    values(impressions, "product_impression_list", SCALARS)
    products = list(chain.from_iterable(lists(impressions, "products")))
    if not {dict}.issuperset(map(type, products)):
        raise Odd("products")
    for key in PRODUCT_KEYS:
        values(products, key, SCALARS)
    unread = Limits()
    for value in chain.from_iterable(map(dict.values, bags(products, "custom_attributes"))):
        unread.tag(value)


def identities_of(batch: Object, device: Object) -> Iterable[tuple[str, str]]:
    """The (type, value) pairs of a batch in document order; null, empty and all-zero values are none."""
    found = batch.get("user_identities")
    if found:
        if type(found) is dict:
            pairs = list(found.items())
        elif type(found) is list and all(type(each) is dict for each in found):
            pairs = [(each.get("identity_type"), each.get("identity")) for each in found]
        else:
            raise Odd("user_identities")
        for kind, value in pairs:
            if type(kind) is not str or type(value) not in (str, type(None)):
                raise Odd("user_identities")
            if value and value != NO_UUID:
                yield identity_type(kind), value
    for key in device:
        name = device_identity(key)
        if name is not None:
            value = device[key]
            if type(value) not in (str, type(None)):
                raise Odd(key)
            if value and value != NO_UUID:
                yield name, value


def _texts_only(names: list[Any]) -> Iterable[str]:
    """The names, each once."""
    if not {str}.issuperset(map(type, names)):
        raise Odd("deleted_user_attributes")
    return dict.fromkeys(names)
