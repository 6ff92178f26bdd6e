"""What is read of batches, a few at a time: while they are in the processor's cache, which is most of what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import polars as pl

from core.data.batch_columns import SCALAR, Bags, Fields, Object, columns_of, dtypes_of
from core.data.batch_limits import Limits
from core.data.batch_shapes import DEVICE_KEYS, identities_of
from core.data.batch_types import (
    Action,
    Application,
    Batch,
    Consents,
    Data,
    Event,
    Impression,
    Product,
    PromotionAction,
)

EVENTS: Final = 1000
"""Batches are read as soon as they hold so many events, or there are a tenth as many of them."""

COMMERCE: Final = "commerce_event"
CUSTOM: Final = "custom_event"
UNINSTALL: Final = "uninstall"

_DEVICE: Final = dict.fromkeys(DEVICE_KEYS, SCALAR) | {"is_tablet": pl.Boolean()}
_BATCH, _APPLICATION, _DATA = dtypes_of(Batch), dtypes_of(Application), dtypes_of(Data)
_ACTION, _PRODUCT = dtypes_of(Action), dtypes_of(Product)
_NOTHING: Final = Data()
_NO_ACTION: Final = Action("")
_NO_APPLICATION: Final = Application()


class Pieces:
    """Batches and their parts, each kind one behind the other."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.batches = Fields(_BATCH, limits)
        self.devices = Fields(_DEVICE, limits)
        self.applications = Fields(_APPLICATION, limits)
        self.locations: list[Object] = []
        """Where each batch was sent from; empty where it is not told."""
        self.ips: list[Any] = []
        self.consents: dict[int, Consents] = {}
        """Decisions of some batches, by their number, as the next."""
        self.attributions: dict[int, Object] = {}
        self.identities: list[tuple[int, str, str]] = []
        """The batch, type and value of each, in document order."""
        self.deleted: list[tuple[int, str]] = []
        """The batch and the name of each attribute that it deletes and does not set."""
        self.attributes = Bags(None, limits)
        self.lengths: list[int] = []
        """How many events each batch has."""
        self.types: list[pl.Series] = []
        self.datas = Fields(_DATA, limits)
        self.places: dict[int, Object] = {}
        """Locations of events, by their number."""
        self.told: dict[int, Object] = {}
        """The attributes of events that may say where an install or uninstall came from."""
        self.event_attributes = Bags(Limits.ATTRIBUTES, limits)
        self.commerce: list[int] = []
        """Which events are commerce events; the following are theirs."""
        self.actions = Fields(_ACTION, limits)
        self.acted: list[bool] = []
        """Which have a product action."""
        self.promotions: dict[int, PromotionAction] = {}
        """Promotion actions, by the place of their event among these, as the next."""
        self.impressions: dict[int, list[Impression]] = {}
        self.crashes: list[int] = []
        """Those that are none: crashes reported by that name."""
        self.product_counts: list[int] = []
        self.products = Fields(_PRODUCT, limits)
        self.product_attributes = Bags(Limits.ATTRIBUTES, limits)

    def add(self, batches: Sequence[Batch]) -> None:
        """Takes some more batches."""
        if not batches:
            return
        for at, batch in enumerate(batches, start=len(self.batches)):
            self.identities += [(at, *pair) for pair in identities_of(batch)]
            if batch.deleted_user_attributes:
                names, kept = dict.fromkeys(batch.deleted_user_attributes), batch.user_attributes or {}
                self.deleted += [(at, name) for name in names if name not in kept]
            if batch.consent_state is not None:
                self.consents[at] = batch.consent_state
            if any(value is not None for value in (batch.attribution_info or {}).values()):
                self.attributions[at] = batch.attribution_info or {}
        found = columns_of(batches)
        self.locations += [{} if each is None else each.location or {} for each in found["context"]]
        self.ips += found["ip"]
        devices: list[Object] = [each or {} for each in found["device_info"]]
        told = _DEVICE.keys() & chain.from_iterable(devices)
        self.devices.add(len(batches), {key: [each.get(key) for each in devices] for key in told})
        self.applications.add(len(batches), columns_of([each or _NO_APPLICATION for each in found["application_info"]]))
        self.attributes.add([each or {} for each in found["user_attributes"]])
        self.batches.add(len(batches), found)
        events: list[list[Event]] = [each or [] for each in found["events"]]
        self.lengths += map(len, events)
        self._events([*chain.from_iterable(events)])

    def _events(self, events: Sequence[Event]) -> None:
        if not events:
            return
        before, given = len(self.datas), columns_of(events)
        types, datas = given["event_type"], [each or _NOTHING for each in given["data"]]
        found = columns_of(datas)
        self.types.append(pl.Series(types, dtype=pl.String))
        self.datas.add(len(datas), found)
        attributes: list[Object] = [each or {} for each in found["custom_attributes"]]
        self.event_attributes.add(attributes)
        if any(found["location"]):
            self.places |= {before + at: place for at, place in enumerate(found["location"]) if place}
        if UNINSTALL in types or "attribution" in found["custom_event_type"]:
            for at, (kind, custom) in enumerate(zip(types, found["custom_event_type"], strict=True)):
                if kind == UNINSTALL or custom == "attribution":
                    self.told[before + at] = attributes[at]
        rows = [at for at, kind in enumerate(types) if kind == COMMERCE]
        if rows:
            self.commerce += [before + at for at in rows]
            self._commerce([datas[at] for at in rows])

    def _commerce(self, datas: Sequence[Data]) -> None:
        """The products of an action, or of all of an event's impressions, none of promotions or carts."""
        found: list[Sequence[Product]] = []
        for at, data in enumerate(datas, start=len(self.acted)):
            action, promotion, shown = data.product_action, data.promotion_action, data.product_impressions
            products = None if action is None else action.products
            if promotion is not None:
                self.promotions[at] = promotion
            if shown:
                self.impressions[at] = shown
                if action is None:
                    products = [*chain.from_iterable(each.products or () for each in shown)]
            elif action is None and promotion is None and (data.class_name, data.exception_handled) != (None, None):
                self.crashes.append(at)
            found.append(products or ())
        actions = [data.product_action for data in datas]
        self.acted += [action is not None for action in actions]
        self.actions.add(len(datas), columns_of([action or _NO_ACTION for action in actions]))
        self.product_counts += map(len, found)
        if products := [*chain.from_iterable(found)]:
            given = columns_of(products)
            self.products.add(len(products), given)
            self.product_attributes.add([each or {} for each in given["custom_attributes"]])
