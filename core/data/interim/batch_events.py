"""The events of mParticle batches: what each is, its standard fields, and their columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl
import pyarrow as pa

from core.data.schema import BAG, CONTEXT_FIELDS, PLACE_FIELDS, PRODUCT, PRODUCT_FIELDS
from core.data.values import tagged

NAME_LIMIT: Final = 256
VALUE_LIMIT: Final = 4096
ATTRIBUTE_LIMIT: Final = 100
LIST_LIMIT: Final = 1000
LATEST_MS: Final = 253_402_300_799_999
"""The end of the year 9999, the last that dates know."""

ACTION_SPELLINGS: Final = {"remove_from_wishlist": "remove_from_wish_list"}
PROMOTION_NAMES: Final = {"view": "promotion_view", "click": "promotion_click"}
_ACTION_FIELDS: Final = (
    "total_amount",
    "tax_amount",
    "shipping_amount",
    "transaction_id",
    "affiliation",
    "coupon_code",
    "checkout_step",
)
_CRASH_FIELDS: Final = ("class_name", "severity", "message", "exception_handled")
_PROMOTION_FIELDS: Final = ("id", "name", "creative", "position")

Fields = list[tuple[str, Any]]


class Refused(Exception):
    """Why a batch or an event is not taken."""


def milliseconds(given: Any) -> int | None:
    """A timestamp in UTC milliseconds, None where none is given; raises Refused for anything else."""
    if given is None:
        return None
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) <= 16:
        given = int(given)
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= LATEST_MS:
        raise Refused(f"timestamp_unixtime_ms is no time in milliseconds: {str(given)[:40]}")
    return given


def cut_name(name: str, counter: Any) -> str:
    """A name within its limit; `counter.cut` grows where it was longer."""
    if len(name) <= NAME_LIMIT:
        return name
    counter.cut += 1
    return name[:NAME_LIMIT]


class Bags:
    """Attribute bags one below the other, as flat lists of keys and values. `cut` counts what went over a limit."""

    def __init__(self) -> None:
        self.cut = 0
        self.keys: list[str] = []
        self.values: list[str] = []
        self.lengths: list[int] = []

    def tag(self, value: Any) -> str:
        """A value as a tagged text within its limits; raises Refused where it is nested too deep."""
        if type(value) is str and len(value) < VALUE_LIMIT:
            return "s" + value
        if isinstance(value, list) and len(value) > LIST_LIMIT:
            self.cut += len(value) - LIST_LIMIT
            value = value[:LIST_LIMIT]
        if isinstance(value, list):
            self.cut += sum(isinstance(item, str) and len(item) > VALUE_LIMIT for item in value)
            value = [item[:VALUE_LIMIT] if isinstance(item, str) else item for item in value]
        try:
            text = tagged(value)
        except (TypeError, RecursionError):
            raise Refused("a value is nested too deep") from None
        if len(text) > VALUE_LIMIT + 1 and text[0] == "s":
            self.cut += 1
            return text[: VALUE_LIMIT + 1]
        return text

    def read(self, bag: dict[str, Any]) -> tuple[list[str], list[str]]:
        """A bag's keys and tagged values."""
        tag = self.tag
        values = [
            "s" + value if type(value) is str and len(value) <= VALUE_LIMIT else tag(value) for value in bag.values()
        ]
        keys = list(bag)
        if keys and max(map(len, keys)) > NAME_LIMIT:
            cut = {key[:NAME_LIMIT]: value for key, value in zip(keys, values, strict=True)}
            self.cut += sum(len(key) > NAME_LIMIT for key in keys)
            return list(cut), list(cut.values())
        return keys, values

    def append(self, bag: tuple[list[str], list[str]]) -> None:
        """Takes a bag that was read; an empty one too."""
        self.keys += bag[0]
        self.values += bag[1]
        self.lengths.append(len(bag[0]))

    def columns(self) -> tuple[npt.NDArray[np.int64], pl.Series, pl.Series]:
        """Row, key and tagged value of every entry."""
        rows = np.repeat(np.arange(len(self.lengths), dtype=np.int64), np.array(self.lengths, np.int64))
        return rows, pl.Series(self.keys, dtype=pl.String), pl.Series(self.values, dtype=pl.String)

    def series(self) -> pl.Series:
        """One bag a row, of type `schema.BAG`."""
        _, keys, values = self.columns()
        return lists(self.lengths, pl.DataFrame({"key": keys, "value": values})).cast(BAG)


def lists(lengths: list[int], items: pl.DataFrame) -> pl.Series:
    """A list column of structs from the structs one below the other and how many each row has."""
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.array(lengths, np.int64))])
    structs = items.to_struct("item").to_arrow()
    array = pa.LargeListArray.from_arrays(pa.array(offsets), structs)
    return pl.Series("lists", array)


def _text_of(name: Any) -> str | None:
    if name is None or isinstance(name, str):
        return name
    if isinstance(name, dict | list):
        raise Refused("a name is no text")
    return tagged(name)[1:]


def _yes(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


@dataclass(slots=True)
class EventShape:
    """What one event is: `kind` may be two (an install that is an upgrade too), `attribution` a row without times."""

    data: dict[str, Any]
    kinds: tuple[str, ...]
    name: str | None
    custom_type: str | None
    time_ms: int
    fields: Fields
    products: list[Any]
    attribution: tuple[str, str | None, str | None, bool] | None

    @classmethod
    def of(cls, event: Any, batch_ms: int) -> EventShape:
        """Reads an event; raises Refused."""
        if not isinstance(event, dict):
            raise Refused("it is no object")
        data = event.get("data")
        if data is None:
            data = {}
        elif not isinstance(data, dict):
            raise Refused("its data is no object")
        given = data.get("timestamp_unixtime_ms")
        time_ms = given if type(given) is int and 0 <= given <= LATEST_MS else milliseconds(given)
        kind = event.get("event_type")
        if not isinstance(kind, str):
            raise Refused("it has no event_type")
        shape = cls(data, ("other",), kind, None, batch_ms if time_ms is None else time_ms, [], [], None)
        reader = _READERS.get(kind)
        if reader is not None:
            reader(shape)
        return shape


def _custom(shape: EventShape) -> None:
    data = shape.data
    shape.name, kind = _text_of(data.get("event_name")), _text_of(data.get("custom_event_type")) or "other"
    if kind != "attribution":
        shape.kinds, shape.custom_type = ("custom",), kind
        return
    shape.kinds = ("attribution",)
    if shape.name in ("attribution", "uninstall"):
        _attributed(shape, "install" if shape.name == "attribution" else "uninstall")


def _attributed(shape: EventShape, event: str) -> None:
    attributes = shape.data.get("custom_attributes") or {}
    if isinstance(attributes, dict):
        parts = [tagged(attributes[key]) if key in attributes else None for key in ("publisher", "campaign")]
        shape.attribution = (event, parts[0], parts[1], attributes.get("action") == "delete")


def _uninstall(shape: EventShape) -> None:
    shape.kinds, shape.name = ("uninstall",), None
    attributes = shape.data.get("custom_attributes")
    if (isinstance(attributes, dict) and ({"publisher", "campaign"} & attributes.keys())) or (isinstance(attributes, dict) and attributes.get("action") == "delete"):
        _attributed(shape, "uninstall")


def _screen(shape: EventShape) -> None:
    shape.kinds, shape.name = ("screen_view",), _text_of(shape.data.get("screen_name"))
    shape.fields.append(("screen_name", shape.data.get("screen_name")))


def _crash(shape: EventShape) -> None:
    shape.kinds, shape.name = ("crash",), None
    shape.fields += [(name, shape.data.get(name)) for name in _CRASH_FIELDS]


def _session_start(shape: EventShape) -> None:
    shape.kinds, shape.name = ("session",), None


def _session_end(shape: EventShape) -> None:
    shape.kinds, shape.name = ("session_end",), None
    shape.fields.append(("session_duration_ms", shape.data.get("session_duration_ms")))


def _install(shape: EventShape) -> None:
    shape.kinds, shape.name = ("install",), None


def _transition(shape: EventShape) -> None:
    data = shape.data
    if data.get("application_transition_type") != "application_initialized":
        return
    kinds = [kind for kind, key in (("install", "is_first_run"), ("upgrade", "is_upgrade")) if _yes(data.get(key))]
    if kinds:
        shape.kinds, shape.name = tuple(kinds), None


def _commerce(shape: EventShape) -> None:
    data = shape.data
    action, promotion, impressions = (
        data.get(key) for key in ("product_action", "promotion_action", "product_impressions")
    )
    for part, kind in ((action, dict), (promotion, dict), (impressions, list)):
        if part is not None and not isinstance(part, kind):
            raise Refused("its product_action, promotion_action or product_impressions has the wrong form")
    if not (action or promotion or impressions) and any(
        data.get(key) is not None for key in ("class_name", "exception_handled")
    ):
        _crash(shape)  # mParticle's Python SDK labels crash reports so
        return
    shape.kinds, shape.name = ("ecommerce",), None
    shape.fields += [(name, data.get(name)) for name in ("currency_code", "screen_name")]
    if action:
        _action(shape, action)
    elif promotion:
        _promotion(shape, promotion)
    elif impressions:
        _impression(shape, impressions)


def _action(shape: EventShape, action: dict[str, Any]) -> None:
    name = _text_of(action.get("action"))
    shape.name = ACTION_SPELLINGS.get(name, name) if name is not None else None
    shape.fields += [(key, action.get(key)) for key in _ACTION_FIELDS]
    shape.fields.append(("product_list", action.get("product_action_list")))
    shape.products = _objects(action.get("products"), "products")


def _promotion(shape: EventShape, promotion: dict[str, Any]) -> None:
    name = _text_of(promotion.get("action"))
    shape.name = PROMOTION_NAMES.get(name or "", name)
    promotions = _objects(promotion.get("promotions"), "promotions")
    for key in _PROMOTION_FIELDS:
        shape.fields.append((f"promotion_{key}", Several([each.get(key) for each in promotions])))


def _impression(shape: EventShape, impressions: list[Any]) -> None:
    shape.name = "impression"
    shown = _objects(impressions, "product_impressions")
    shape.products = [product for each in shown for product in _objects(each.get("products"), "products")]
    shape.fields.append(("product_list", Several([each.get("product_impression_list") for each in shown])))


def _objects(items: Any, what: str) -> list[dict[str, Any]]:
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Refused(f"{what} is no list of objects")
    return items


@dataclass(frozen=True, slots=True)
class Several:
    """Several values of one standard field."""

    values: list[Any]


_READERS: Final[dict[str, Callable[[EventShape], None]]] = {
    "custom_event": _custom,
    "screen_view": _screen,
    "crash_report": _crash,
    "session_start": _session_start,
    "session_end": _session_end,
    "first_run": _install,
    "application_state_transition": _transition,
    "commerce_event": _commerce,
    "uninstall": _uninstall,
}


class EventRows:
    """Events as flat lists. `cut` counts what went over a limit."""

    def __init__(self) -> None:
        self.users: list[int] = []
        self._arrivals: list[int] = []
        self._kinds: list[str] = []
        self._names: list[str | None] = []
        self._types: list[str | None] = []
        self._times: list[int] = []
        self._ids: list[str | None] = []
        self._also: list[bool] = []
        self._uuids: list[str | None] = []
        self._place_rows: list[int] = []
        self._field_rows: list[int] = []
        self._field_names: list[str] = []
        self._field_values: list[str] = []
        self._bags = Bags()
        self._product_counts: list[int] = []
        self._product_bags = Bags()
        self._product_fields: list[tuple[str | None, ...]] = []
        self._dropped = 0

    @property
    def cut(self) -> int:
        """How many names, values and entries went over a limit."""
        return self._dropped + self._bags.cut + self._product_bags.cut

    @cut.setter
    def cut(self, count: int) -> None:
        self._dropped = count - self._bags.cut - self._product_bags.cut

    def add(self, user: int, arrival: int, shape: EventShape, place_row: int) -> None:
        """Takes an event of a user; raises Refused and then takes nothing."""
        bag = self._bag(shape.data.get("custom_attributes"))
        fields = [(name, tag) for name, value in shape.fields if (tag := self._field(value)) is not None]
        products = [self._product(product) for product in shape.products]
        data = shape.data
        session = data.get("session_id")
        if session is not None:
            fields.append(("session_id", self._bags.tag(session)))
        name = shape.name if shape.name is None else cut_name(shape.name, self)
        message = data.get("source_message_id")
        uuid = data.get("session_uuid")
        for at, kind in enumerate(shape.kinds):
            row = len(self.users)
            self.users.append(user)
            self._arrivals.append(arrival)
            self._kinds.append(kind)
            self._names.append(name)
            self._types.append(shape.custom_type)
            self._times.append(shape.time_ms)
            self._ids.append(None if message is None else str(message))
            self._also.append(at > 0)
            self._uuids.append(None if uuid is None else str(uuid))
            self._place_rows.append(place_row)
            self._bags.append(bag)
            for field_name, value in fields:
                self._field_rows.append(row)
                self._field_names.append(field_name)
                self._field_values.append(value)
            self._product_counts.append(len(products))
            for values, attributes in products:
                self._product_fields.append(values)
                self._product_bags.append(attributes)

    def _bag(self, attributes: Any) -> tuple[list[str], list[str]]:
        if not attributes:
            return [], []
        if not isinstance(attributes, dict):
            raise Refused("custom_attributes is no object")
        if len(attributes) > ATTRIBUTE_LIMIT:
            self._dropped += len(attributes) - ATTRIBUTE_LIMIT
            attributes = dict(list(attributes.items())[:ATTRIBUTE_LIMIT])
        return self._bags.read(attributes)

    def _field(self, value: Any) -> str | None:
        if isinstance(value, Several):
            tags = [self._bags.tag(each) for each in value.values if each is not None]
            if len(tags) <= 1:
                return tags[0] if tags else None
            return "m" + orjson.dumps(tags).decode()
        return None if value is None else self._bags.tag(value)

    def _product(self, product: dict[str, Any]) -> tuple[tuple[str | None, ...], tuple[list[str], list[str]]]:
        attributes = product.get("custom_attributes")
        if attributes is not None and not isinstance(attributes, dict):
            raise Refused("a product's custom_attributes is no object")
        fields = tuple(self._field(product.get(name)) for name in PRODUCT_FIELDS)
        return fields, self._bag(attributes)

    def frame(self, contexts: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
        """The events as a frame for staging; `contexts` has one row a user, `places` those that `place_row` names."""
        user = pl.Series(self.users, dtype=pl.UInt32)
        columns: dict[str, pl.Series] = {
            "user": user,
            "kind": pl.Series(self._kinds, dtype=pl.String),
            "name": pl.Series(self._names, dtype=pl.String),
            "custom_type": pl.Series(self._types, dtype=pl.String),
            "timestamp_ms": pl.Series(self._times, dtype=pl.Int64),
            "arrival": pl.Series(self._arrivals, dtype=pl.Int64),
            "message_id": pl.Series(self._ids, dtype=pl.String),
            "also": pl.Series(self._also, dtype=pl.Boolean),
            "session_uuid": pl.Series(self._uuids, dtype=pl.String),
        }
        columns |= {name: contexts[name].gather(user) for name in CONTEXT_FIELDS}
        at = pl.Series(self._place_rows, dtype=pl.UInt32)
        columns |= {name: places[key].gather(at) for name, key in zip(PLACE_FIELDS, places.columns, strict=True)}
        columns |= self._field_columns(len(user))
        columns = {name: column for name, column in columns.items() if column.null_count() < len(column)}
        if self._bags.keys:
            columns["attributes"] = self._bags.series()
        if self._product_fields:
            columns["products"] = self._products()
        return pl.DataFrame(columns)

    def _field_columns(self, size: int) -> dict[str, pl.Series]:
        rows = np.array(self._field_rows, np.int64)
        names = np.array(self._field_names, dtype=object)
        values = pl.Series(self._field_values, dtype=pl.String)
        columns = {}
        for name in dict.fromkeys(self._field_names):
            mine = np.flatnonzero(names == name)
            at = np.full(size, -1, np.int64)
            at[rows[mine]] = mine
            index = pl.Series(at).to_frame("at").select(pl.when(pl.col("at") >= 0).then(pl.col("at")))["at"]
            columns[name] = values.gather(index)
        return columns

    def _products(self) -> pl.Series:
        fields = list(zip(*self._product_fields, strict=True))
        items = pl.DataFrame(
            {name: pl.Series(values, dtype=pl.String) for name, values in zip(PRODUCT_FIELDS, fields, strict=True)}
        ).with_columns(attributes=self._product_bags.series())
        return lists(self._product_counts, items).cast(pl.List(PRODUCT))
