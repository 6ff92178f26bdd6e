"""The shape of a batch, read leniently: spellings, numbers as text, nulls. What is left has one shape, or is refused.

The fast path (`batch_columns`, `batch_events`) takes this shape; documents that have it already never come here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from numbers import Integral
from typing import Any, Final

import orjson

from core.data.schema import DEVICE_IDENTITIES, IDENTITY_TYPES, USER_IDENTITIES
from core.data.values import number_text, tagged

EARLIEST_MS: Final = -62_135_596_800_000
LATEST_MS: Final = 253_402_300_799_999
"""Moments lie in the years 1 to 9999."""

NO_UUID: Final = "00000000-0000-0000-0000-000000000000"
SCALARS: Final = frozenset({str, int, float, bool, type(None), Decimal})

_DEPTH: Final = 100
_DIGITS: Final = re.compile(r"-?[0-9]{1,19}")
_OBJECTS: Final = (
    "device_info",
    "application_info",
    "context",
    "user_attributes",
    "consent_state",
    "attribution_info",
)
DEVICE_KEYS: Final = (
    "platform",
    "os_version",
    "device_model",
    "brand",
    "device_manufacturer",
    "network_carrier",
    "network_country",
    "locale_country",
    "locale_language",
    "device_country",
)
APPLICATION_KEYS: Final = ("application_version", "application_build_number", "application_name")
EVENT_TEXTS: Final = ("event_name", "custom_event_type", "screen_name", "application_transition_type")
EVENT_FLAGS: Final = ("is_first_run", "is_upgrade")
CRASH_FIELDS: Final = ("class_name", "severity", "message", "exception_handled")
EVENT_SCALARS: Final = ("session_id", "session_duration_ms", *CRASH_FIELDS, "currency_code")
PLACE_KEYS: Final = (
    "country_code",
    "region_code",
    "city_name",
    "postal_code",
    "dma_code",
    "latitude",
    "longitude",
)
_ALIASES: Final = {
    "idfa": "ios_advertising_id",
    "appleidfa": "ios_advertising_id",
    "idfv": "ios_idfv",
    "appleidfv": "ios_idfv",
    "iosvendorid": "ios_idfv",
    "vendoridentifier": "ios_idfv",
    "gaid": "android_advertising_id",
    "googleaid": "android_advertising_id",
    "googleadvertisingid": "android_advertising_id",
    "googleadvertisingidentifier": "android_advertising_id",
    "androidid": "android_uuid",
    "facebookid": "facebook",
    "twitterid": "twitter",
    "googleid": "google",
    "googleuserid": "google",
    "microsoftid": "microsoft",
    "microsoftuserid": "microsoft",
    "yahooid": "yahoo",
    "yahoouserid": "yahoo",
    "otherid": "other",
    "otheruserid": "other",
    **{f"other{number}": f"other_id_{number}" for number in range(2, 11)},
}
_TYPES: Final = {name.replace("_", ""): name for name in IDENTITY_TYPES} | _ALIASES


class Odd(Exception):
    """The fast path met a shape that it does not read."""


class Refused(Exception):
    """Why a batch, or one of its events, cannot be loaded."""


@lru_cache(maxsize=4096)
def identity_type(spelling: str) -> str:
    """The name of an identity type: any case, with or without underscores; an unknown type keeps its own name."""
    return _TYPES.get(spelling.lower().replace("_", "").replace(" ", ""), spelling)


@lru_cache(maxsize=4096)
def device_identity(spelling: str) -> str | None:
    """The device identity that a key of device_info holds, None for other keys."""
    name = identity_type(spelling)
    return name if name in DEVICE_IDENTITIES and name not in USER_IDENTITIES else None


def canonical(batch: Any) -> tuple[dict[str, Any], list[str]]:
    """The batch in its one shape, and why some of its events were left out. Raises Refused for the whole batch."""
    if not isinstance(batch, dict):
        raise Refused(f"A batch is an object, not {_named(batch)}.")
    result: dict[str, Any] = _clean(batch, 0)
    for key in _OBJECTS:
        result[key] = _object(result.get(key), key)
    result["context"]["location"] = _object(result["context"].get("location"), "context.location")
    result["mpid"] = _whole(result.get("mpid"), "mpid")
    result["timestamp_unixtime_ms"] = moment(result.get("timestamp_unixtime_ms"), "timestamp_unixtime_ms")
    result["source_request_id"] = text_or_number(result.get("source_request_id"), "source_request_id") or None
    result["user_identities"] = _identities(result.get("user_identities"))
    result["deleted_user_attributes"] = _names(result.get("deleted_user_attributes"), "deleted_user_attributes")
    _check_device(result)
    _check_scalars(result["context"]["location"], PLACE_KEYS, "context.location.")
    _check_scalars(result["attribution_info"], ("publisher", "campaign"), "attribution_info.")
    _check_values(result["user_attributes"], "user_attributes")
    result["consent_state"] = _consents(result["consent_state"])
    if not isinstance(result.get("ip"), str):
        result["ip"] = None
    events = result.get("events")
    if not isinstance(events, list | None):
        raise Refused(f"events must be a list, not {_named(events)}.")
    reasons: list[str] = []
    result["events"] = []
    for number, event in enumerate(events or (), start=1):
        try:
            result["events"].append(_event(event))
        except Refused as refusal:
            kind = event.get("event_type") if isinstance(event, dict) else None
            named = f"event {number} ({kind})" if isinstance(kind, str) else f"event {number}"
            reasons.append(f"{named}: {refusal}")
    return result, reasons


def _event(event: Any) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise Refused(f"must be an object, not {_named(event)}.")
    kind = event.get("event_type")
    if not isinstance(kind, str) or not kind:
        raise Refused(f"event_type must be a text, not {_named(kind)}.")
    data = _object(event.get("data"), "data")
    data["timestamp_unixtime_ms"] = moment(data.get("timestamp_unixtime_ms"), "timestamp_unixtime_ms")
    for key in ("source_message_id", "session_uuid"):
        data[key] = text_or_number(data.get(key), key) or None
    for key in EVENT_TEXTS:
        if not isinstance(data.get(key), str | None):
            raise Refused(f"{key} must be a text, not {_named(data[key])}.")
    data["location"] = _object(data.get("location"), "location")
    _check_scalars(data["location"], PLACE_KEYS, "location.")
    data["custom_attributes"] = _object(data.get("custom_attributes"), "custom_attributes")
    _check_values(data["custom_attributes"], "custom_attributes")
    for key in EVENT_FLAGS:
        data[key] = _boolean(data.get(key), key)
    _check_scalars(data, EVENT_SCALARS, "")
    if kind == "commerce_event":
        _commerce(data)
    return {"event_type": kind, "data": data}


ACTION_KEYS: Final = (
    "checkout_step",
    "transaction_id",
    "affiliation",
    "total_amount",
    "tax_amount",
    "shipping_amount",
    "coupon_code",
    "product_action_list",
)
PRODUCT_KEYS: Final = (
    "id",
    "name",
    "brand",
    "category",
    "variant",
    "position",
    "price",
    "quantity",
    "coupon_code",
    "total_product_amount",
)
PROMOTION_KEYS: Final = ("id", "name", "creative", "position")


def _commerce(data: dict[str, Any]) -> None:
    action = data["product_action"] = _object(data.get("product_action"), "product_action")
    promotion = data["promotion_action"] = _object(data.get("promotion_action"), "promotion_action")
    for part, key in ((action, "product_action"), (promotion, "promotion_action")):
        if not isinstance(part.get("action"), str | None):
            raise Refused(f"{key}.action must be a text, not {_named(part['action'])}.")
    _check_scalars(action, ACTION_KEYS, "product_action.")
    action["products"] = _products(action.get("products"), "product_action.products")
    promotions = promotion["promotions"] = _objects(promotion.get("promotions"), "promotions")
    for each in promotions:
        _check_scalars(each, PROMOTION_KEYS, "promotions.")
    impressions = data["product_impressions"] = _objects(data.get("product_impressions"), "product_impressions")
    for each in impressions:
        _check_scalars(each, ("product_impression_list",), "product_impressions.")
        each["products"] = _products(each.get("products"), "product_impressions.products")
    for part, key in ((action, "product_action"), (promotion, "promotion_action")):
        if not says(part):
            data[key] = {}


def says(action: dict[str, Any]) -> bool:
    """Whether a product or promotion action holds more than empty lists."""
    return any(value or key not in ("products", "promotions") for key, value in action.items())


def _products(value: Any, name: str) -> list[dict[str, Any]]:
    products = _objects(value, name)
    for product in products:
        _check_scalars(product, PRODUCT_KEYS, f"{name}.")
        product["custom_attributes"] = _object(product.get("custom_attributes"), f"{name}.custom_attributes")
        _check_values(product["custom_attributes"], f"{name}.custom_attributes")
    return products


def _clean(value: Any, depth: int) -> Any:
    """The value made of JSON's own types; raises Refused for what JSON cannot say."""
    if depth > _DEPTH:
        raise Refused(f"It is nested more than {_DEPTH} levels deep.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _utf8(str(value))
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise Refused(f"The key {key!r:.40} is no text.")
        return {_utf8(str(key)): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item, depth + 1) for item in value]
    return _clean_number(value)


def _clean_number(value: Any) -> int | float | Decimal:
    if isinstance(value, Decimal) and (not value.is_finite() or abs(value.adjusted()) < 400):
        return value if value.is_finite() else float(str(value).replace("s", ""))
    if isinstance(value, Integral) and int(value).bit_length() < 1024:
        return int(value)
    if isinstance(value, float):
        return float(value)  # numpy's floats too
    raise Refused(f"{_named(value)} is no JSON value.")


def _utf8(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Refused("It holds a text that is not valid Unicode.") from error
    return text


def _named(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    kind = type(value)
    return names.get(kind, "a number" if kind in (int, float, Decimal) else kind.__name__)


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{name} must be an object, not {_named(value)}.")
    return value


def _objects(value: Any, name: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise Refused(f"{name} must be a list, not {_named(value)}.")
    for item in value:
        if not isinstance(item, dict):
            raise Refused(f"{name} must hold objects, not {_named(item)}.")
    return value


def _names(value: Any, name: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str | None) for item in value):
        raise Refused(f"{name} must be a list of texts.")
    return [item for item in value if item is not None]


def _check_scalars(part: dict[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in keys:
        if type(part.get(key)) not in SCALARS:
            raise Refused(f"{where}{key} must be a single value, not {_named(part[key])}.")


def _check_values(bag: dict[str, Any], name: str) -> None:
    for key, value in bag.items():
        try:
            Limits().tag(value)
        except Odd as error:
            raise Refused(f"{name}.{key:.40} cannot be kept: {error}.") from error


def _check_device(batch: dict[str, Any]) -> None:
    device = batch["device_info"]
    _check_scalars(device, DEVICE_KEYS, "device_info.")
    device["is_tablet"] = _boolean(device.get("is_tablet"), "device_info.is_tablet")
    for key in list(device):
        if device_identity(key):
            device[key] = text_or_number(device[key], f"device_info.{key}")
    _check_scalars(batch["application_info"], APPLICATION_KEYS, "application_info.")


def _boolean(value: Any, name: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise Refused(f"{name} must be true or false.")


def text_or_number(value: Any, name: str) -> str | None:
    """A text, or the text of a number; None for null. Raises Refused for anything else."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value) if isinstance(value, float) and value - value != 0 else number_text(value)
    raise Refused(f"{name} must be a text, not {_named(value)}.")


def _whole(value: Any, name: str) -> int | None:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63):
        return value
    raise Refused(f"{name} must be a whole number of 64 bits with sign.")


def moment(value: Any, name: str) -> int | None:
    """UTC milliseconds as a whole number, also written as text or with a zero fraction; None for null."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    number = _whole(value, name)
    if number is not None and not EARLIEST_MS <= number <= LATEST_MS:
        raise Refused(f"{name} is no moment between the years 1 and 9999.")
    return number


def _identities(value: Any) -> list[dict[str, str]] | dict[str, str | None]:
    if isinstance(value, list):
        entries = _objects(value, "user_identities")
        for entry in entries:
            if not isinstance(entry.get("identity_type"), str):
                raise Refused("user_identities: identity_type must be a text.")
        return [
            {
                "identity_type": entry["identity_type"],
                "identity": text_or_number(entry.get("identity"), "identity") or "",
            }
            for entry in entries
        ]
    found = _object(value, "user_identities")
    return {key: text_or_number(item, f"user_identities.{key:.40}") for key, item in found.items()}


def _consents(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    result: dict[str, dict[str, Any]] = {}
    for regulation in ("gdpr", "ccpa"):
        records = _object(state.get(regulation), f"consent_state.{regulation}")
        kept = result[regulation] = {}
        for purpose, record in records.items():
            name = f"consent_state.{regulation}.{purpose:.40}"
            if record is not None and (regulation == "gdpr" or purpose == "data_sale_opt_out"):
                consented = _boolean(_object(record, name).get("consented"), f"{name}.consented")
                if consented is None:
                    raise Refused(f"{name}.consented is missing.")
                kept[purpose] = {"consented": consented}
    return result


class Limits:
    """Values as tagged text within the limits of DEFINITION 6; `cut` counts what was cut or dropped."""

    NAME: Final = 256
    VALUE: Final = 4096
    ATTRIBUTES: Final = 100
    ENTRIES: Final = 1000

    def __init__(self) -> None:
        self.cut = 0

    def tag(self, value: Any) -> str:
        """The tagged text of a value; lists are kept to their first entries. Raises Odd for what cannot be written."""
        kind = type(value)
        if kind is int:
            return f"n{value}"
        if kind is float and value - value == 0:
            return f"n{int(value)}" if value.is_integer() else f"n{value!r}"
        if kind is list:
            return "l" + orjson.dumps(self._entries(value)).decode()
        if kind is dict:
            return "s" + _json(value)
        if kind not in SCALARS:
            raise Odd(kind.__name__)
        return tagged(value)

    def _entries(self, values: list[Any]) -> list[str]:
        self.cut += max(0, len(values) - self.ENTRIES)
        # A list or an object inside a list is its JSON text.
        entry: Callable[[Any], str] = lambda item: _json(item) if type(item) in (list, dict) else tagged(item)[1:]  # noqa: E731
        texts = [entry(item) for item in values[: self.ENTRIES] if item is not None]
        long = [len(text) > self.VALUE for text in texts]
        if any(long):
            self.cut += sum(long)
            texts = [text[: self.VALUE] for text in texts]
        return texts


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError as error:
        raise Odd("nested too deep, or a number beyond 64 bits in it") from error
