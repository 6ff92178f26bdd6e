"""Segment and RudderStack messages as mParticle batches, one batch a message.

- identify: traits are user attributes, nested ones with dots (`address.city`); `email` and `phone` are identities.
- track: a custom event, or what its name says (core.data.message_events). page, screen: a screen view.
- group, alias: activity only. An alias merges no profiles; the `previousId` becomes an identity of the message's user.
- `userId` is `customer_id`, `anonymousId` is `anonymous_id`; `messageId` tells copies.
- `context` gives app, device, identities of the device, location, ip, session; its traits (RudderStack sends them with
  every message) are the user's, except in a group message. Campaign, page and consent categories are left aside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from core.data.message_events import screen_event, track_event
from core.data.values import moment_ms

Document = dict[str, Any]

ANONYMOUS: Final = "anonymous_id"
LEVELS: Final = 20
TYPES: Final = ("identify", "track", "page", "screen", "group", "alias")
_TIMES: Final = ("timestamp", "originalTimestamp", "receivedAt", "sentAt")
_TRAIT_IDENTITIES: Final = {"email": "email", "phone": "mobile_number"}
_PLATFORMS: Final = {"ios": "iOS", "android": "Android", "web": "web", "browser": "web"}
_ADVERTISING: Final = {"iOS": "ios_advertising_id", "Android": "android_advertising_id"}
_DEVICE_ID: Final = {"iOS": "ios_idfv", "Android": "android_uuid"}
_PLACES: Final = {
    "latitude": "latitude",
    "longitude": "longitude",
    "country": "country_code",
    "region": "region_code",
    "city": "city_name",
    "postalCode": "postal_code",
}


class UnreadableMessage(ValueError):
    """The message cannot be read; the text says why."""


def batch_of(message: object) -> Document:
    """The batch that says what the message says. Raises UnreadableMessage."""
    if not isinstance(message, dict):
        raise UnreadableMessage("no JSON object")
    kind = message.get("type")
    if kind not in TYPES:
        raise UnreadableMessage(f'type "{str(kind)[:60]}" is none of {", ".join(TYPES)}' if kind else "no type")
    moment = _moment(message)
    batch: Document = {"events": [], "user_identities": _identities(message), "user_attributes": _attributes(message)}
    batch |= _surroundings(_object(message.get("context")), message)
    if message.get("messageId"):
        batch["source_request_id"] = str(message["messageId"])
    if moment is not None:
        batch["timestamp_unixtime_ms"] = moment
    event = _event(message)
    if event is not None:
        data = event["data"]
        if moment is not None:
            data["timestamp_unixtime_ms"] = moment
        session = _object(message.get("context")).get("sessionId")
        if session is not None:
            data["session_id"] = session
        batch["events"] = [event]
    return batch


def flattened(values: Document, prefix: str = "", levels: int = LEVELS) -> Iterator[tuple[str, Any]]:
    """The values with dotted names for nested ones; lists, and what is nested deeper, stay whole."""
    for key, value in values.items():
        if isinstance(value, dict) and levels > 0:
            yield from flattened(value, f"{prefix}{key}.", levels - 1)
        else:
            yield f"{prefix}{key}", value


def _object(value: object) -> Document:
    return value if isinstance(value, dict) else {}


def _moment(message: Document) -> int | None:
    """UTC milliseconds of the first time that is there, None if none is. Raises UnreadableMessage."""
    for key in _TIMES:
        given = message.get(key)
        if given is not None:
            moment = moment_ms(given) if isinstance(given, str) else None
            if moment is None:
                raise UnreadableMessage(f'{key} "{str(given)[:60]}" is no ISO-8601 time')
            return moment
    return None


def _traits(message: Document) -> Document:
    """The user's traits; those of a group message are the group's."""
    context = _object(_object(message.get("context")).get("traits"))
    own = _object(message.get("traits")) if message["type"] == "identify" else {}
    return {} if message["type"] == "group" else {**context, **own}


def _attributes(message: Document) -> Document:
    return {key: value for key, value in flattened(_traits(message)) if key not in _TRAIT_IDENTITIES}


def _identities(message: Document) -> Document:
    traits = _traits(message)
    anonymous = message.get("previousId") if message["type"] == "alias" else None
    given = {
        "customer_id": message.get("userId"),
        **{identity_type: traits.get(trait) for trait, identity_type in _TRAIT_IDENTITIES.items()},
        ANONYMOUS: anonymous or message.get("anonymousId"),
    }
    usable = (str, int)
    return {name: value for name, value in given.items() if isinstance(value, usable) and not isinstance(value, bool)}


def _surroundings(context: Document, message: Document) -> Document:
    """Application, device, location and address of a batch."""
    app = _object(context.get("app"))
    application = {
        "application_name": app.get("name"),
        "application_version": app.get("version"),
        "application_build_number": app.get("build"),
        "package": app.get("namespace"),
    }
    place = _object(context.get("location"))
    location = {name: place[key] for key, name in _PLACES.items() if place.get(key) is not None}
    found: Document = {
        "application_info": _known(application),
        "device_info": _known(_device(context, message)),
        "context": {"location": location} if location else {},
        "ip": context.get("ip") if isinstance(context.get("ip"), str) else None,
    }
    return {name: value for name, value in found.items() if value}


def _device(context: Document, message: Document) -> Document:
    device, system = _object(context.get("device")), _object(context.get("os"))
    platform = _platform(context, message)
    language, _, country = str(context.get("locale") or "").replace("_", "-").partition("-")
    identities = {
        _ADVERTISING.get(str(platform), ""): device.get("advertisingId"),
        _DEVICE_ID.get(str(platform), ""): device.get("id"),
        "push_token": device.get("token"),
    }
    return {
        "platform": platform,
        "os_version": system.get("version"),
        "device_model": device.get("model"),
        "brand": device.get("brand"),
        "device_manufacturer": device.get("manufacturer"),
        "network_carrier": _object(context.get("network")).get("carrier"),
        "locale_language": language or None,
        "locale_country": country or None,
        "http_header_user_agent": context.get("userAgent"),
        **{name: value for name, value in identities.items() if name},
    }


def _platform(context: Document, message: Document) -> str | None:
    """From the device's type, else from its system; a message of a browser, which has a page, is of the web."""
    named = _object(context.get("device")).get("type") or _object(context.get("os")).get("name")
    known = _PLATFORMS.get(str(named or "").lower())
    if known is None and "iphone" in str(named or "").lower():
        return "iOS"
    web = message.get("channel") == "web" or bool(context.get("page"))
    return known or (str(named) if _object(context.get("device")).get("type") else "web" if web else None)


def _known(values: Document) -> Document:
    return {name: value for name, value in values.items() if value is not None}


def _event(message: Document) -> Document | None:
    """The message's event, None for an identify. Raises UnreadableMessage."""
    kind = message["type"]
    properties = dict(flattened(_object(message.get("properties"))))
    if kind == "identify":
        return None
    if kind == "track":
        name = message.get("event")
        if not isinstance(name, str) or not name:
            raise UnreadableMessage("a track message without event name")
        return track_event(name, _object(message.get("properties")), properties)
    if kind in ("page", "screen"):
        return screen_event(message, properties, _object(_object(message.get("context")).get("page")))
    about = {"groupId": message.get("groupId"), **dict(flattened(_object(message.get("traits"))))}
    about |= {"previousId": message.get("previousId")}
    return {"event_type": kind, "data": {"custom_attributes": _known(about)}}
