"""The shape of a batch, read leniently: spellings, numbers as text, nulls. What is left has one shape, or is refused.

The shape are the types of `core.data.batch_types`; documents that fit them as they are never come here.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from numbers import Integral
from typing import Any, Final, TypeVar

from msgspec import Struct

from core.data.batch_limits import SCALARS, Limits, Odd
from core.data.batch_types import (
    EARLIEST_MS,
    LATEST_MS,
    Action,
    Application,
    Batch,
    Consent,
    Consents,
    Context,
    Data,
    Event,
    Identity,
    Impression,
    Product,
    Promotion,
    PromotionAction,
)
from core.data.schema import DEVICE_IDENTITIES, IDENTITY_TYPES, USER_IDENTITIES
from core.data.values import number_text

NO_UUID: Final = "00000000-0000-0000-0000-000000000000"

_DEPTH: Final = 100
_DIGITS: Final = re.compile(r"-?[0-9]{1,19}")
_COMMERCE: Final = ("product_action", "promotion_action", "product_impressions")
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
APPLICATION_KEYS: Final = Application.__struct_fields__
CRASH_FIELDS: Final = ("class_name", "severity", "message", "exception_handled")
_EVENT_TEXTS: Final = ("event_name", "custom_event_type", "screen_name", "application_transition_type")
_EVENT_FLAGS: Final = ("is_first_run", "is_upgrade")
_EVENT_SCALARS: Final = ("session_id", "session_duration_ms", *CRASH_FIELDS, "currency_code")
ACTION_KEYS: Final = tuple(name for name in Action.__struct_fields__ if name not in ("action", "products"))
PRODUCT_KEYS: Final = tuple(name for name in Product.__struct_fields__ if name != "custom_attributes")
PROMOTION_KEYS: Final = Promotion.__struct_fields__
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

AnyStruct = TypeVar("AnyStruct", bound=Struct)


class Refused(Exception):
    """Why a batch, or one of its events, cannot be loaded."""


@lru_cache(maxsize=4096)
def identity_type(spelling: str) -> str:
    """The name of an identity type: any case, with or without underscores; an unknown type keeps its own name."""
    return _TYPES.get(spelling.lower().replace("_", "").replace(" ", ""), spelling)


@lru_cache(maxsize=4096)
def device_identities(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Which of the keys of a device_info hold device identities, and the names of these."""
    named = [(key, identity_type(key)) for key in keys]
    return tuple((key, name) for key, name in named if name in DEVICE_IDENTITIES and name not in USER_IDENTITIES)


def identities_of(batch: Batch) -> list[tuple[str, str]]:
    """The (type, value) pairs of a batch in document order; null, empty and all-zero values are none."""
    found, device = batch.user_identities, batch.device_info
    named: list[tuple[str, Any]] = []
    if isinstance(found, dict):
        named += [(identity_type(kind), value) for kind, value in found.items()]
    elif found:
        named += [(identity_type(each.identity_type), each.identity) for each in found]
    if device:
        named += [(name, device[key]) for key, name in device_identities(tuple(device))]
    return [(name, value) for name, value in named if value and value != NO_UUID] if named else named


def settle(batch: Batch, received_ms: int | None) -> None:
    """Does what types cannot. Raises Refused for a batch without a user, or without a time."""
    device: dict[str, Any] = batch.device_info or {}
    if "is_tablet" in device:
        device["is_tablet"] = _boolean(device["is_tablet"], "device_info.is_tablet")
    for key, _ in device_identities(tuple(device)):
        device[key] = text_or_number(device[key], f"device_info.{key}")
    if batch.mpid is None and not any(identities_of(batch)):
        raise Refused("It has neither an mpid nor an identity.")
    if received_ms is None and batch.timestamp_unixtime_ms is None:
        datas = [event.data for event in batch.events or ()]
        if all(data is None or data.timestamp_unixtime_ms is None for data in datas):
            raise Refused("It has no time of its own, no event with a time and no time of arrival.")


def canonical(batch: Any) -> tuple[Batch, list[str]]:
    """The batch in its one shape, and why some of its events were left out. Raises Refused for the whole batch."""
    if not isinstance(batch, dict):
        raise Refused(f"A batch is an object, not {_named(batch)}.")
    result: dict[str, Any] = _clean(batch, 0)
    for key in _OBJECTS:
        result[key] = _object(result.get(key), key)
    place = _object(result["context"].get("location"), "context.location")
    result["mpid"] = _whole(result.get("mpid"), "mpid")
    result["timestamp_unixtime_ms"] = moment(result.get("timestamp_unixtime_ms"), "timestamp_unixtime_ms")
    result["source_request_id"] = text_or_number(result.get("source_request_id"), "source_request_id") or None
    result["user_identities"] = _identities(result.get("user_identities"))
    result["deleted_user_attributes"] = _names(result.get("deleted_user_attributes"), "deleted_user_attributes")
    _check_scalars(result["device_info"], DEVICE_KEYS, "device_info.")
    _check_scalars(result["application_info"], APPLICATION_KEYS, "application_info.")
    _check_scalars(place, PLACE_KEYS, "context.location.")
    result |= {"application_info": _made(Application, result["application_info"]), "context": Context(place)}
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
    return _made(Batch, result), reasons


def _made(kind: type[AnyStruct], found: dict[str, Any], **own: Any) -> AnyStruct:
    """An object in shape."""
    return kind(**{name: found[name] for name in kind.__struct_fields__ if name in found} | own)


def _event(event: Any) -> Event:
    if not isinstance(event, dict):
        raise Refused(f"must be an object, not {_named(event)}.")
    kind = event.get("event_type")
    if not isinstance(kind, str) or not kind:
        raise Refused(f"event_type must be a text, not {_named(kind)}.")
    data = _object(event.get("data"), "data")
    data["timestamp_unixtime_ms"] = moment(data.get("timestamp_unixtime_ms"), "timestamp_unixtime_ms")
    for key in ("source_message_id", "session_uuid"):
        data[key] = text_or_number(data.get(key), key) or None
    for key in _EVENT_TEXTS:
        if not isinstance(data.get(key), str | None):
            raise Refused(f"{key} must be a text, not {_named(data[key])}.")
    data["location"] = _object(data.get("location"), "location")
    _check_scalars(data["location"], PLACE_KEYS, "location.")
    data["custom_attributes"] = _object(data.get("custom_attributes"), "custom_attributes")
    _check_values(data["custom_attributes"], "custom_attributes")
    for key in _EVENT_FLAGS:
        data[key] = _boolean(data.get(key), key)
    _check_scalars(data, _EVENT_SCALARS, "")
    commerce = _commerce(data) if kind == "commerce_event" else dict.fromkeys(_COMMERCE)
    return Event(kind, _made(Data, data, **commerce))


def _commerce(data: dict[str, Any]) -> dict[str, Any]:
    action, promotion = (_object(data.get(key), key) for key in _COMMERCE[:2])
    for part, key in ((action, "product_action"), (promotion, "promotion_action")):
        if not isinstance(part.get("action"), str | None):
            raise Refused(f"{key}.action must be a text, not {_named(part['action'])}.")
    _check_scalars(action, ACTION_KEYS, "product_action.")
    products = _products(action.get("products"), "product_action.products")
    promotions = _objects(promotion.get("promotions"), "promotions")
    for each in promotions:
        _check_scalars(each, PROMOTION_KEYS, "promotions.")
    impressions = _objects(data.get("product_impressions"), "product_impressions")
    for each in impressions:
        _check_scalars(each, ("product_impression_list",), "product_impressions.")
        each["products"] = _products(each.get("products"), "product_impressions.products")
    named = {"action": None}
    return {
        "product_action": _made(Action, named | action, products=products) if _says(action) else None,
        "promotion_action": _made(
            PromotionAction, named | promotion, promotions=[_made(Promotion, each) for each in promotions]
        )
        if _says(promotion)
        else None,
        "product_impressions": [_made(Impression, each) for each in impressions],
    }


def _says(action: dict[str, Any]) -> bool:
    """Whether a product or promotion action holds more than empty lists."""
    return any(value or key not in ("products", "promotions") for key, value in action.items())


def _products(value: Any, name: str) -> list[Product]:
    products = _objects(value, name)
    for product in products:
        _check_scalars(product, PRODUCT_KEYS, f"{name}.")
        product["custom_attributes"] = _object(product.get("custom_attributes"), f"{name}.custom_attributes")
        _check_values(product["custom_attributes"], f"{name}.custom_attributes")
    return [_made(Product, product) for product in products]


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


def _identities(value: Any) -> list[Identity] | dict[str, str | None]:
    if isinstance(value, list):
        entries = _objects(value, "user_identities")
        for entry in entries:
            if not isinstance(entry.get("identity_type"), str):
                raise Refused("user_identities: identity_type must be a text.")
        return [
            Identity(entry["identity_type"], text_or_number(entry.get("identity"), "identity")) for entry in entries
        ]
    found = _object(value, "user_identities")
    return {key: text_or_number(item, f"user_identities.{key:.40}") for key, item in found.items()}


def _consents(state: dict[str, Any]) -> Consents:
    result: dict[str, dict[str, Consent | None]] = {"gdpr": {}, "ccpa": {}}
    for regulation, kept in result.items():
        for purpose, record in _object(state.get(regulation), f"consent_state.{regulation}").items():
            name = f"consent_state.{regulation}.{purpose:.40}"
            if record is not None and (regulation == "gdpr" or purpose == "data_sale_opt_out"):
                consented = _boolean(_object(record, name).get("consented"), f"{name}.consented")
                if consented is None:
                    raise Refused(f"{name}.consented is missing.")
                kept[purpose] = Consent(consented)
    return Consents(**result)
