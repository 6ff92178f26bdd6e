"""The rows of mParticle batches: one user a batch, flat lists of Python values that become frames part by part.

Nothing is appended before all of a batch's (or event's) own parts have been read, so what is refused leaves no trace.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl

from core.data.interim.batch_events import Bags, EventRows, EventShape, Refused, cut_name, milliseconds
from core.data.loading import Part
from core.data.places_of_ip import Locate
from core.data.schema import CONTEXT_FIELDS, DEVICE_IDENTITIES, IDENTITY_TYPES

NAME_LIMIT: Final = 256
MPIDS: Final = range(-(2**63), 2**63)
ZERO_UUID: Final = "0" * 32

_OTHER_SPELLINGS: Final = {
    "appleidfa": "ios_advertising_id",
    "idfa": "ios_advertising_id",
    "iosidfa": "ios_advertising_id",
    "appleidfv": "ios_idfv",
    "idfv": "ios_idfv",
    "iosvendorid": "ios_idfv",
    "gaid": "android_advertising_id",
    "googleadvertisingid": "android_advertising_id",
    "googleaid": "android_advertising_id",
    "androidid": "android_uuid",
    "facebookid": "facebook",
    "twitterid": "twitter",
    "googleuserid": "google",
    "microsoftuserid": "microsoft",
    "yahoouserid": "yahoo",
    "otheruserid": "other",
}
_SPELLINGS: Final = {name.replace("_", ""): name for name in IDENTITY_TYPES} | _OTHER_SPELLINGS
_APP_KEYS: Final = ("application_version", "application_build_number", "application_name")
_DEVICE_KEYS: Final = ("platform", "os_version", "device_model", "brand", "device_manufacturer", "network_carrier")
_PLACE_KEYS: Final = (
    "country_code",
    "region_code",
    "city_name",
    "postal_code",
    "dma_code",
    "latitude",
    "longitude",
)
_NOWHERE: Final = (None,) * len(_PLACE_KEYS)
_NO_CONTEXT: Final = (None,) * len(CONTEXT_FIELDS)


def identity_type(key: str) -> str:
    """The identity type of a key in any of the spellings in use; unknown types keep their own name."""
    return _SPELLINGS.get(key.lower().replace("_", ""), key)


def is_no_identity(value: Any) -> bool:
    """Null, empty and all-zero-UUID identities are none."""
    return value is None or value == "" or (isinstance(value, str) and value.replace("-", "") == ZERO_UUID)


def _mpid(given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, str) and given.strip("+-").isdecimal() and given.isascii():
        given = int(given) if len(given) <= 20 else None
    if isinstance(given, bool) or not isinstance(given, int) or given not in MPIDS:
        raise Refused("mpid is no signed 64-bit integer")
    return given


def _object(batch: dict[str, Any], key: str) -> dict[str, Any]:
    value = batch.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refused(f"{key} is no object")
    return value


class BatchRows:
    """Collects batches; `part()` hands over what was collected since the last one."""

    def __init__(self, received_ms: int | None, locate: Locate | None) -> None:
        self._received_ms, self._locate = received_ms, locate
        self.cut = self.taken = 0
        self._start()

    def _start(self) -> None:
        self._arrival = 0
        self._mpids: list[int | None] = []
        self._arrivals: list[int] = []
        self._times: list[int] = []
        self._requests: list[str | None] = []
        self._contexts: list[tuple[str | None, ...]] = []
        self._places: list[tuple[Any, ...]] = []
        self._bag = Bags()
        self._deleted: list[tuple[int, str]] = []
        self._consents: list[tuple[int, str, str | None, bool]] = []
        self._identities: list[tuple[int, str, str]] = []
        self._devices: list[tuple[int, str, str]] = []
        self._located: list[tuple[int, int, int, str, int]] = []
        self._attributions: list[tuple[int, int, int, str, str, str | None, str | None, bool]] = []
        self._events = EventRows()

    @property
    def events(self) -> int:
        """How many events are held."""
        return len(self._events.users) + len(self._mpids)

    def add(self, batch: dict[str, Any]) -> list[str]:
        """Takes one batch; the reasons why some of its events were refused. Raises Refused for the batch itself."""
        events = batch.get("events")
        if events is None:
            events = []
        elif not isinstance(events, list):
            raise Refused("events is no list")
        mpid = _mpid(batch.get("mpid"))
        time_ms = self._time(batch, events)
        device = _object(batch, "device_info")
        identities = self._read_identities(batch, device)
        if mpid is None and not identities:
            raise Refused("neither an mpid nor an identity")
        request = batch.get("source_request_id")
        attributes, deleted = _object(batch, "user_attributes"), batch.get("deleted_user_attributes")
        if deleted is not None and not (isinstance(deleted, list) and all(isinstance(key, str) for key in deleted)):
            raise Refused("deleted_user_attributes is no list of names")
        consents = _consents(batch)
        place = self._place(batch)
        context = self._context(_object(batch, "application_info"), device)
        info = _object(batch, "attribution_info")
        bag = self._bag.read(attributes)

        user, arrival = len(self._mpids), self._arrival
        self.taken += 1
        self._arrival += 1
        self._mpids.append(mpid)
        self._arrivals.append(arrival)
        self._times.append(time_ms)
        self._requests.append(None if request is None else str(request))
        self._contexts.append(context)
        self._bag.append(bag)
        self._deleted += [(user, cut_name(key, self)) for key in deleted or () if key not in attributes]
        self._consents += [(user, *consent) for consent in consents]
        self._identities += [(user, kind, value) for kind, value in identities]
        if device:
            self._add_device(user, device, context)
        place_row = len(self._places)
        self._places.append(place)
        if place is not _NOWHERE:
            self._located.append((user, time_ms, arrival, "batch", place_row))
        if info:
            parts = (self._tag(info.get("publisher")), self._tag(info.get("campaign")))
            self._attributions.append((user, time_ms, arrival, "batch", "install", *parts, False))
        return [fault for event in events if (fault := self._add_event(user, event, time_ms, place_row))]

    def _add_event(self, user: int, event: Any, time_ms: int, place_row: int) -> str | None:
        arrival = self._arrival
        try:
            shape = EventShape.of(event, time_ms)
            own = self._own_place(shape.data)
            self._events.add(user, arrival, shape, place_row if own is None else len(self._places))
        except Refused as error:
            return f"an event is refused: {error}"
        self._arrival += 1
        if own is not None:
            self._located.append((user, shape.time_ms, arrival, "event", len(self._places)))
            self._places.append(own)
        if shape.attribution is not None:
            self._attributions.append((user, shape.time_ms, arrival, "event", *shape.attribution))
        return None

    def _time(self, batch: dict[str, Any], events: list[Any]) -> int:
        own = milliseconds(batch.get("timestamp_unixtime_ms"))
        if own is not None:
            return own
        times = []
        for event in events:
            data = event.get("data") if isinstance(event, dict) else None
            if isinstance(data, dict) and data.get("timestamp_unixtime_ms") is not None:
                try:
                    times.append(milliseconds(data["timestamp_unixtime_ms"]))
                except Refused:  # said again, with its event, when the event itself is read
                    continue
        known = [time for time in times if time is not None]
        if known:
            return max(known)
        if self._received_ms is None:
            raise Refused("no time: neither the batch nor an event has a timestamp, and no received_at is given")
        return self._received_ms

    def _tag(self, value: Any) -> str | None:
        return None if value is None else self._bag.tag(value)

    def _text(self, value: Any) -> str | None:
        return None if value is None else self._bag.tag(value)[1:]

    def _read_identities(self, batch: dict[str, Any], device: dict[str, Any]) -> list[tuple[str, str]]:
        given = batch.get("user_identities")
        if isinstance(given, list):  # outbound batches
            if not all(isinstance(each, dict) for each in given):
                raise Refused("user_identities holds something else than objects")
            pairs = [(str(each.get("identity_type")), each.get("identity")) for each in given]
        else:
            pairs = list(_object(batch, "user_identities").items())
        found = [(identity_type(key), value) for key, value in pairs]
        for key in device:
            kind = identity_type(key)
            if kind in DEVICE_IDENTITIES:
                found.append((kind, device[key]))
        identities = []
        for kind, value in found:
            if is_no_identity(value):
                continue
            if isinstance(value, dict | list):
                raise Refused(f"the identity {kind} is no text")
            identities.append((cut_name(kind, self), self._bag.tag(value)[1:]))
        return identities

    def _context(self, app: dict[str, Any], device: dict[str, Any]) -> tuple[str | None, ...]:
        if not app and not device:
            return _NO_CONTEXT
        version, build, name = (self._tag(app.get(key)) for key in _APP_KEYS)
        return version, build, name, *(self._tag(device.get(key)) for key in _DEVICE_KEYS)

    def _add_device(self, user: int, device: dict[str, Any], context: tuple[str | None, ...]) -> None:
        tablet = device.get("is_tablet")
        country = next(
            (
                device[key]
                for key in ("device_country", "network_country", "locale_country")
                if device.get(key) is not None
            ),
            None,
        )
        platform, os_version, model, brand, manufacturer, carrier = context[3:]
        fields = (
            ("device_type", None if tablet is None else ("stablet" if tablet in (True, "true", "True") else "sphone")),
            ("platform", platform),
            ("os_version", os_version),
            ("device_model", model),
            ("device_brand", brand),
            ("device_manufacturer", manufacturer),
            ("carrier", carrier),
            ("device_country", self._tag(country)),
            ("language", self._tag(device.get("locale_language"))),
        )
        self._devices += [(user, name, value) for name, value in fields if value is not None]

    def _place(self, batch: dict[str, Any]) -> tuple[Any, ...]:
        location = _object(_object(batch, "context"), "location")
        place = self._parts(location)
        if place is _NOWHERE and self._locate is not None and isinstance(batch.get("ip"), str):
            place = self._parts(self._locate(batch["ip"]) or {})
        return place

    def _own_place(self, data: dict[str, Any]) -> tuple[Any, ...] | None:
        location = data.get("location")
        if location is None:
            return None
        if not isinstance(location, dict):
            raise Refused("location is no object")
        place = self._parts(location)
        return None if place is _NOWHERE else place

    def _parts(self, location: dict[str, Any]) -> tuple[Any, ...]:
        if not location:
            return _NOWHERE
        place = tuple(self._tag(location.get(key)) for key in _PLACE_KEYS)
        return _NOWHERE if place == _NOWHERE else place

    # -- handing over ----------------------------------------------------------------------------------------------

    def part(self) -> Part:
        """Everything collected since the last part, as frames."""
        users = pl.DataFrame(
            {
                "mpid": pl.Series(self._mpids, dtype=pl.Int64),
                "arrival": pl.Series(self._arrivals, dtype=pl.Int64),
                "request_id": pl.Series(self._requests, dtype=pl.String),
            }
        )
        places = _frame(self._places, dict.fromkeys(_PLACE_KEYS, pl.String))
        contexts = _frame(self._contexts, dict.fromkeys(CONTEXT_FIELDS, pl.String))
        tables = {
            "batches": self._of_batch(np.arange(len(self._mpids)), request_id=users["request_id"]),
            "events": self._events.frame(contexts, places),
            "attributes": self._attribute_table(),
            "consents": self._consent_table(),
            "identities": self._named(self._identities, "identity_type"),
            "devices": self._named(self._devices, "field").drop("arrival"),
            "locations": self._location_table(places),
            "attributions": self._attribution_table(),
        }
        part = Part(users, {name: table for name, table in tables.items() if len(table)}, self._arrival)
        self.cut += self._bag.cut + self._events.cut
        self._start()
        return part

    def _of_batch(self, user: Any, **columns: Any) -> pl.DataFrame:
        """Rows at their batches' times and arrivals."""
        rows = pl.Series(user, dtype=pl.UInt32)
        times, arrivals = pl.Series(self._times, dtype=pl.Int64), pl.Series(self._arrivals, dtype=pl.Int64)
        return pl.DataFrame({"user": rows, "time_ms": times.gather(rows), "arrival": arrivals.gather(rows), **columns})

    def _named(self, rows: list[tuple[int, str, str]], name: str) -> pl.DataFrame:
        frame = _frame(rows, {"user": pl.UInt32, name: pl.String, "value": pl.String})
        return self._of_batch(frame["user"], **{name: frame[name], "value": frame["value"]})

    def _attribute_table(self) -> pl.DataFrame:
        rows, keys, values = self._bag.columns()
        deleted = _frame(self._deleted, {"user": pl.UInt32, "key": pl.String})
        users = pl.concat([pl.Series(rows, dtype=pl.UInt32), deleted["user"]])
        nothing = pl.Series([None], dtype=pl.String).new_from_index(0, len(deleted))
        return self._of_batch(users, key=pl.concat([keys, deleted["key"]]), value=pl.concat([values, nothing]))

    def _consent_table(self) -> pl.DataFrame:
        schema = {"user": pl.UInt32, "regulation": pl.String, "purpose": pl.String, "consented": pl.Boolean}
        frame = _frame(self._consents, schema)
        return self._of_batch(frame["user"], **{name: frame[name] for name in list(schema)[1:]})

    def _location_table(self, places: pl.DataFrame) -> pl.DataFrame:
        schema = {"user": pl.UInt32, "time_ms": pl.Int64, "arrival": pl.Int64, "source": pl.String, "row": pl.UInt32}
        frame = _frame(self._located, schema)
        found = places[frame["row"]]
        texts = dict(zip(("country", "state", "city", "zip", "dma"), _PLACE_KEYS, strict=False))
        return frame.drop("row").with_columns(
            *(found[key].str.slice(1).alias(name) for name, key in texts.items()),
            *(
                found[name].str.slice(1).cast(pl.Float64, strict=False).alias(name)
                for name in ("latitude", "longitude")
            ),
        )

    def _attribution_table(self) -> pl.DataFrame:
        schema = {
            "user": pl.UInt32,
            "time_ms": pl.Int64,
            "arrival": pl.Int64,
            "source": pl.String,
            "event": pl.String,
            "publisher": pl.String,
            "campaign": pl.String,
            "deleted": pl.Boolean,
        }
        return _frame(self._attributions, schema)


def _frame(rows: list[Any], schema: dict[str, Any]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in schema]
    return pl.DataFrame(
        {
            name: pl.Series(column, dtype=dtype, strict=True)
            for (name, dtype), column in zip(schema.items(), columns, strict=True)
        }
    )


def _consents(batch: dict[str, Any]) -> list[tuple[str, str | None, bool]]:
    state = _object(batch, "consent_state")
    found: list[tuple[str, str | None, bool]] = []
    for purpose, record in _object(state, "gdpr").items():
        if (consented := _consented(record)) is not None:
            found.append(("gdpr", purpose[:NAME_LIMIT], consented))
    opted_out = _consented(_object(state, "ccpa").get("data_sale_opt_out"))
    if opted_out is not None:
        found.append(("ccpa", None, opted_out))
    return found


def _consented(record: Any) -> bool | None:
    if record is None:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("consented"), bool | None):
        raise Refused("a consent record needs `consented`: true or false")
    return record.get("consented")
