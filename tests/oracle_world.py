"""What the oracle knows: raw mParticle batches turned into plain Python records by the rules of DEFINITION 6.

No engine code, no data frames: every record keeps its own time and its arrival, and nothing is ever folded away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import xxhash

from tests.oracle_reading import MISSING, Several, text

USER_IDENTITIES: Final = (
    "customer_id email facebook twitter google microsoft yahoo other other_id_2 other_id_3 other_id_4 other_id_5 "
    "other_id_6 other_id_7 other_id_8 other_id_9 other_id_10 mobile_number phone_number_2 phone_number_3 alias "
    "facebook_custom_audience_id"
).split()
DEVICE_IDENTITIES: Final = (
    "ios_advertising_id ios_idfv android_advertising_id android_uuid push_token roku_advertising_id "
    "roku_publisher_id fire_advertising_id microsoft_advertising_id microsoft_publisher_id amp_id"
).split()
IDENTITY_ORDER: Final = [*USER_IDENTITIES, *DEVICE_IDENTITIES]
SPELLINGS: Final = {name.replace("_", ""): name for name in IDENTITY_ORDER}
ZERO_UUID: Final = re.compile(r"[0-]*0[0-]*")

PLACE_PARTS: Final = {
    "country": "country_code",
    "state": "region_code",
    "city": "city_name",
    "zip": "postal_code",
    "dma": "dma_code",
    "latitude": "latitude",
    "longitude": "longitude",
}
FROM_APPLICATION: Final = {
    "app_version": "application_version",
    "app_build": "application_build_number",
    "app_name": "application_name",
}
FROM_DEVICE: Final = {
    "platform": "platform",
    "os_version": "os_version",
    "device_model": "device_model",
    "device_brand": "brand",
    "device_manufacturer": "device_manufacturer",
    "carrier": "network_carrier",
}
FROM_EVENT: Final = "session_id currency_code screen_name class_name severity message exception_handled".split()
FROM_ACTION: Final = (
    "total_amount tax_amount shipping_amount transaction_id affiliation coupon_code checkout_step".split()
)
PROMOTION: Final = ("id", "name", "creative", "position")
PRODUCT_FIELDS: Final = (
    "id name brand category variant position price quantity coupon_code total_product_amount".split()
)
NAME_LIMIT, VALUE_LIMIT, ATTRIBUTE_LIMIT, LIST_LIMIT = 256, 4096, 100, 1000


@dataclass
class Product:
    fields: dict[str, Any]
    attributes: dict[str, Any]


@dataclass
class Event:
    """One event under one kind; `also` marks the second kind of an event that is install and upgrade at once."""

    workspace: str
    input: str
    kind: str
    name: str | None
    custom_type: str | None
    mpid: int
    at: int
    arrival: int
    fields: dict[str, Any]
    attributes: dict[str, Any]
    products: list[Product]
    session: tuple[str, str] | None
    also: bool = False


@dataclass
class Record:
    """A fact about a profile in one workspace, from its own time on. `rank` orders records of one moment."""

    workspace: str
    mpid: int
    at: int
    rank: tuple[int, ...]
    value: Any


@dataclass
class World:
    """Everything that was loaded, and the settings of the dataset."""

    calculated: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    tiers: dict[tuple[str, str, str], str] = field(default_factory=dict)
    retention_days: int | None = None
    inputs: dict[str, list[str]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    seen: list[Record] = field(default_factory=list)
    attributes: dict[tuple[str, int, str], list[Record]] = field(default_factory=dict)
    consents: dict[tuple[str, int, str, str | None], list[Record]] = field(default_factory=dict)
    places: dict[tuple[str, int], list[Record]] = field(default_factory=dict)
    identities: dict[tuple[str, int, str], list[Record]] = field(default_factory=dict)
    devices: dict[tuple[str, int, str], list[Record]] = field(default_factory=dict)
    attributions: dict[tuple[str, int, str], list[Record]] = field(default_factory=dict)
    refused: int = 0
    _owners: dict[tuple[str, str], int] = field(default_factory=dict)
    _requests: set[tuple[str, str, str]] = field(default_factory=set)
    _messages: set[tuple[str, str, int, str]] = field(default_factory=set)
    _arrival: int = 0

    def load(
        self, batches: Iterable[Any], workspace: str, input: str, kind: str = "platform", received_at: int | None = None
    ) -> None:
        """Take in batches in their order; `received_at` stands for the arrival time."""
        names = self.inputs.setdefault(workspace, [])
        if input not in names:
            names.append(input)
        for batch in batches:
            self._batch(batch, workspace, input, received_at)

    def _batch(self, batch: dict[str, Any], workspace: str, input: str, received_at: int | None) -> None:
        if batch.get("environment") == "development":
            return
        request = batch.get("source_request_id")
        events = list(batch.get("events") or [])
        at = batch.get("timestamp_unixtime_ms")
        if at is None:
            at = max((t for event in events if (t := _event_time(event)) is not None), default=received_at)
        identities = _identities(batch)
        if at is None or (batch.get("mpid") is None and not identities):
            self.refused += 1
            return
        if request and (workspace, input, request) in self._requests:
            return
        if request:
            self._requests.add((workspace, input, request))
        mpid = self._profile(batch.get("mpid"), identities)
        arrival = self._next()
        self.seen.append(Record(workspace, mpid, at, (arrival,), None))
        self._profile_facts(batch, workspace, mpid, at, arrival, identities)
        for event in events:
            self._event(event, batch, workspace, input, mpid, at)

    def _next(self) -> int:
        self._arrival += 1
        return self._arrival

    def _profile(self, mpid: int | None, identities: list[tuple[str, str]]) -> int:
        ordered = sorted(identities, key=lambda pair: _rank(pair[0]))
        if mpid is None:
            mpid = next((self._owners[pair] for pair in ordered if pair in self._owners), None)
        if mpid is None:
            digest = xxhash.xxh3_64_intdigest(f"{ordered[0][0]}:{ordered[0][1]}".encode())
            mpid = digest - 2**64 if digest >= 2**63 else digest
        for pair in identities:
            self._owners[pair] = mpid
        return mpid

    def _profile_facts(
        self,
        batch: dict[str, Any],
        workspace: str,
        mpid: int,
        at: int,
        arrival: int,
        identities: list[tuple[str, str]],
    ) -> None:
        def record(log: dict[Any, list[Record]], key: tuple[Any, ...], value: Any, *rank: int) -> None:
            log.setdefault((workspace, mpid, *key), []).append(Record(workspace, mpid, at, rank or (arrival,), value))

        for key in batch.get("deleted_user_attributes") or []:
            record(self.attributes, (key[:NAME_LIMIT],), MISSING, arrival, 0)
        for key, value in (batch.get("user_attributes") or {}).items():
            record(self.attributes, (key[:NAME_LIMIT],), _cut(value), arrival, 1)
        for identity_type, value in identities:
            record(self.identities, (identity_type,), value)
        for name, value in _device(batch.get("device_info") or {}).items():
            record(self.devices, (name,), value)
        for regulation, purpose, consented in _consents(batch.get("consent_state") or {}):
            record(self.consents, (regulation, purpose), consented)
        place = _place((batch.get("context") or {}).get("location"))
        if place:
            record(self.places, (), place, 0, arrival)
        info = batch.get("attribution_info")
        if info:
            record(self.attributions, ("install",), info, 0, arrival)

    def _event(
        self, document: dict[str, Any], batch: dict[str, Any], workspace: str, input: str, mpid: int, batch_at: int
    ) -> None:
        data = document.get("data") or {}
        message = data.get("source_message_id")
        if message and (workspace, input, mpid, message) in self._messages:
            return
        if message:
            self._messages.add((workspace, input, mpid, message))
        own = _event_time(document)
        at, arrival = batch_at if own is None else own, self._next()
        self.seen.append(Record(workspace, mpid, at, (arrival,), None))
        own_place = _place(data.get("location"))
        if own_place:
            self.places.setdefault((workspace, mpid), []).append(Record(workspace, mpid, at, (1, arrival), own_place))
        attributes = _bag(data.get("custom_attributes"))
        kinds = _kinds(document["event_type"], data)
        for position, (kind, name) in enumerate(kinds):
            event = Event(
                workspace, input, kind, None if name is None else name[:NAME_LIMIT], data.get("custom_event_type"),
                mpid, at, arrival, _fields(batch, document["event_type"], data, own_place), attributes,
                _products(data, kind), _session(data), also=position > 0,
            )  # fmt: skip
            self.events.append(event)
            self._attribution(event)

    def _attribution(self, event: Event) -> None:
        named = event.kind == "attribution" and event.name in ("attribution", "uninstall")
        parts = [event.attributes.get(key) for key in ("publisher", "campaign")]
        told = event.kind == "uninstall" and any(part is not None for part in parts)
        if not named and not told:
            return
        about = "install" if event.name == "attribution" else "uninstall"
        value = MISSING if event.attributes.get("action") == "delete" else event.attributes
        log = self.attributions.setdefault((event.workspace, event.mpid, about), [])
        log.append(Record(event.workspace, event.mpid, event.at, (1, event.arrival), value))


def latest(log: list[Record] | None, now: int) -> Any:
    """The value of the newest record at or before `now`, MISSING if there is none."""
    known = [record for record in log or [] if record.at <= now]
    return max(known, key=lambda record: (record.at, record.rank)).value if known else MISSING


def _rank(identity_type: str) -> tuple[int, int, str]:
    """The place of a type in the order of resolution: unknown types stand after the user identities that are known."""
    if identity_type in DEVICE_IDENTITIES:
        return 2, DEVICE_IDENTITIES.index(identity_type), ""
    if identity_type in USER_IDENTITIES:
        return 0, USER_IDENTITIES.index(identity_type), ""
    return 1, 0, identity_type


def _event_time(event: dict[str, Any]) -> int | None:
    return (event.get("data") or {}).get("timestamp_unixtime_ms")


def _identities(batch: dict[str, Any]) -> list[tuple[str, str]]:
    """The (type, value) pairs of a batch; null, empty and all-zero values are no identities."""
    listed = batch.get("user_identities") or {}
    if isinstance(listed, list):
        pairs = [(item.get("identity_type"), item.get("identity")) for item in listed]
    else:
        pairs = list(listed.items())
    device = batch.get("device_info") or {}
    pairs += [(key, device.get(key)) for key in DEVICE_IDENTITIES]
    found = []
    for key, value in pairs:
        written = text(value)
        if written and not (len(written) == 36 and ZERO_UUID.fullmatch(written)):
            found.append((SPELLINGS.get(key.replace("_", "").lower(), key), written))
    return found


def _device(info: dict[str, Any]) -> dict[str, Any]:
    tablet = info.get("is_tablet")
    countries = [info.get(key) for key in ("device_country", "network_country", "locale_country")]
    values = {
        **{name: info.get(key) for name, key in FROM_DEVICE.items()},
        "device_type": None if tablet is None else "tablet" if tablet else "phone",
        "device_country": next((each for each in countries if each), None),
        "language": info.get("locale_language"),
    }
    return {name: value for name, value in values.items() if value is not None}


def _consents(state: dict[str, Any]) -> list[tuple[str, str | None, bool]]:
    found: list[tuple[str, str | None, bool]] = []
    for purpose, record in (state.get("gdpr") or {}).items():
        if record and record.get("consented") is not None:
            found.append(("gdpr", purpose, record["consented"]))
    record = (state.get("ccpa") or {}).get("data_sale_opt_out")
    if record and record.get("consented") is not None:
        found.append(("ccpa", None, record["consented"]))
    return found


def _place(location: dict[str, Any] | None) -> dict[str, Any] | None:
    parts = {name: (location or {}).get(key) for name, key in PLACE_PARTS.items()}
    return parts if any(value is not None for value in parts.values()) else None


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value[:VALUE_LIMIT]
    if isinstance(value, list):
        return [_cut(item) for item in value[:LIST_LIMIT]]
    return value


def _bag(attributes: dict[str, Any] | None) -> dict[str, Any]:
    kept = list((attributes or {}).items())[:ATTRIBUTE_LIMIT]
    return {key[:NAME_LIMIT]: _cut(value) for key, value in kept}


def _kinds(event_type: str, data: dict[str, Any]) -> list[tuple[str, str | None]]:
    """The kinds of an event with the name under each; two for one that is install and upgrade at once."""
    if event_type == "custom_event":
        kind = "attribution" if data.get("custom_event_type") == "attribution" else "custom"
        return [(kind, data.get("event_name"))]
    if event_type == "commerce_event":
        return [_commerce(data)]
    if event_type == "application_state_transition":
        initialized = data.get("application_transition_type") == "application_initialized"
        flags = (("install", data.get("is_first_run")), ("upgrade", data.get("is_upgrade")))
        return [(kind, None) for kind, flag in flags if initialized and flag] or [("none", event_type)]
    if event_type == "screen_view":
        return [("screen_view", data.get("screen_name"))]
    kinds = {"session_start": "session", "crash_report": "crash", "first_run": "install", "uninstall": "uninstall"}
    return [(kinds.get(event_type, event_type if event_type == "session_end" else "none"), None)]


def _commerce(data: dict[str, Any]) -> tuple[str, str | None]:
    action, promotion = data.get("product_action"), data.get("promotion_action")
    if action:
        return "ecommerce", action.get("action")
    if promotion:
        return "ecommerce", f"promotion_{promotion.get('action')}"
    if data.get("product_impressions"):
        return "ecommerce", "impression"
    crashed = data.get("class_name") is not None or data.get("exception_handled") is not None
    return ("crash" if crashed else "ecommerce"), None


def _fields(
    batch: dict[str, Any], event_type: str, data: dict[str, Any], own_place: dict[str, Any] | None
) -> dict[str, Any]:
    application, device = batch.get("application_info") or {}, batch.get("device_info") or {}
    action, promotion = data.get("product_action") or {}, data.get("promotion_action") or {}
    place = own_place or _place((batch.get("context") or {}).get("location")) or {}
    promotions = promotion.get("promotions") or []
    lists = [action.get("product_action_list")]
    lists += [impression.get("product_impression_list") for impression in data.get("product_impressions") or []]
    fields = {
        **{name: application.get(key) for name, key in FROM_APPLICATION.items()},
        **{name: device.get(key) for name, key in FROM_DEVICE.items()},
        **{name: data.get(name) for name in FROM_EVENT},
        **{name: action.get(name) for name in FROM_ACTION},
        **{f"promotion_{key}": _several(item.get(key) for item in promotions) for key in PROMOTION},
        "product_list": _several(lists),
        **place,
    }
    if event_type == "session_end":
        fields["session_duration_ms"] = data.get("session_duration_ms")
    return {name: _cut(value) for name, value in fields.items() if value is not None}


def _several(values: Iterable[Any]) -> Several | None:
    return Several(value for value in values if value is not None) or None


def _products(data: dict[str, Any], kind: str) -> list[Product]:
    if kind != "ecommerce":
        return []
    documents = list((data.get("product_action") or {}).get("products") or [])
    if not data.get("product_action") and not data.get("promotion_action"):
        for impression in data.get("product_impressions") or []:
            documents += impression.get("products") or []
    return [
        Product(
            {name: _cut(item[name]) for name in PRODUCT_FIELDS if item.get(name) is not None},
            _bag(item.get("custom_attributes")),
        )
        for item in documents
    ]


def _session(data: dict[str, Any]) -> tuple[str, str] | None:
    for key in ("session_uuid", "session_id"):
        if data.get(key) is not None:
            return key, str(data[key])
    return None
