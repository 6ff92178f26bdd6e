"""Many batches in their one shape -> one Part of a load: users, events, and what the batches say of their profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import polars as pl

from core.data.batch_columns import Object, Objects, bags, flags, moments, scalars, singles, texts, values, whole
from core.data.batch_events import event_rows, places
from core.data.batch_pieces import Pieces
from core.data.batch_shapes import SCALARS, Limits, Odd
from core.data.loading import Part
from core.data.schema import PLACE_FIELDS

Locate = Callable[[str], Object]
"""The location (keys of a batch's context.location) of an IP address, {} if it is not known."""

_CONTEXT: Final = {
    "app_version": "application_version",
    "app_build": "application_build_number",
    "app_name": "application_name",
}
_DEVICE: Final = {
    "platform": "platform",
    "os_version": "os_version",
    "device_model": "device_model",
    "device_brand": "brand",
    "device_manufacturer": "device_manufacturer",
    "carrier": "network_carrier",
}
_COUNTRIES: Final = ("device_country", "network_country", "locale_country")
_TEXT_PLACES: Final = ("country", "state", "city", "zip", "dma")


def part_of(pieces: Pieces, received_ms: int | None, locate: Locate | None) -> Part:
    """The rows of batches that arrived in this order. Odd: one is not in the shape, has no user or no time."""
    pieces.check()
    batches, datas, limits = pieces.batches, pieces.datas, pieces.limits
    lengths = np.array(pieces.lengths, np.int64)
    of_batch = np.repeat(np.arange(len(batches), dtype=np.uint32), lengths)
    arrivals = np.arange(len(batches), dtype=np.int64) + np.cumsum(lengths) - lengths
    own, times = _times(batches, datas, of_batch, received_ms)
    stamp = pl.DataFrame(
        {"user": np.arange(len(batches), dtype=np.uint32), "time_ms": own, "arrival": arrivals},
    )
    tables = {
        "identities": _identities(pieces, stamp),
        "attributes": _attributes(pieces, stamp),
        "consents": _consents(batches, stamp),
    }
    request = pl.Series("request_id", [each or None for each in texts(batches, "source_request_id")], dtype=pl.String)
    tables["batches"] = stamp.with_columns(request)
    context, tables["devices"] = _devices(pieces, stamp)
    located = _batch_places(batches, limits, locate)
    if located is not None:
        context = context.hstack(located)
        tables["locations"] = _locations(stamp.hstack(located), "batch")
    tables["attributions"] = _attributions(batches, stamp, limits)
    _check_users(batches, tables["identities"])
    if datas:
        place = pl.DataFrame(
            {"user": of_batch, "timestamp_ms": times, "arrival": np.arange(len(datas)) + of_batch + np.int64(1)}
        )
        _add_events(tables, pieces, place, context)
    users = pl.DataFrame([whole(_mpids(batches), "mpid"), stamp["arrival"], request])
    return Part(users, {name: frame for name, frame in tables.items() if len(frame)}, len(batches) + len(datas))


def _mpids(batches: Objects) -> list[int | None]:
    found = values(batches, "mpid")
    if not {int, type(None)}.issuperset(map(type, found)):
        raise Odd("mpid")
    return found


def _times(batches: Objects, datas: Objects, of_batch: Any, received_ms: int | None) -> tuple[pl.Series, pl.Series]:
    """Times of batches (their own, else the latest event's, else the arrival's) and of events (else the batch's)."""
    own = moments(batches, "timestamp_unixtime_ms")
    times = moments(datas, "timestamp_unixtime_ms")
    if own.null_count():
        latest = pl.DataFrame({"batch": of_batch, "time": times}).group_by("batch").agg(pl.col("time").max())
        numbers = pl.DataFrame({"batch": np.arange(len(batches), dtype=np.uint32), "own": own})
        joined = numbers.join(latest, on="batch", how="left", maintain_order="left")
        own = joined.select(pl.coalesce("own", "time", pl.lit(received_ms, dtype=pl.Int64)))["own"]
    if own.null_count():
        raise Odd("time")
    if times.null_count():
        times = (
            times.fill_null(own.gather(of_batch))
            if not len(times)
            else times.zip_with(times.is_not_null(), own.gather(of_batch))
        )
    return own, times


def _identities(pieces: Pieces, stamp: pl.DataFrame) -> pl.DataFrame:
    schema = {"user": pl.UInt32, "identity_type": pl.String, "value": pl.String}
    return _stamped(pl.DataFrame(pieces.identities, schema=schema, orient="row"), stamp)


def _stamped(frame: pl.DataFrame, stamp: pl.DataFrame) -> pl.DataFrame:
    """With the time and arrival of each row's batch."""
    at = frame["user"]
    return frame.with_columns(stamp["time_ms"].gather(at), stamp["arrival"].gather(at))


def _check_users(batches: Objects, identities: pl.DataFrame) -> None:
    named = set(identities["user"].to_list())
    if any(mpid is None and at not in named for at, mpid in enumerate(values(batches, "mpid"))):
        raise Odd("user")


def _attributes(pieces: Pieces, stamp: pl.DataFrame) -> pl.DataFrame:
    """User attributes set and deleted; a key that a batch both deletes and sets is set."""
    limits = pieces.limits
    frames = [pieces.attributes.flat("user")]
    if not frames[0].width:
        frames = [pl.DataFrame(schema={"user": pl.UInt32, "key": pl.String, "value": pl.String})]
    gone = pieces.deleted
    if gone:
        deleted = pl.DataFrame(gone, schema={"user": pl.UInt32, "key": pl.String}, orient="row")
        cut_keys = deleted["key"].str.slice(0, Limits.NAME)
        limits.cut += int((deleted["key"] != cut_keys).sum())
        frames.insert(0, deleted.with_columns(cut_keys, value=pl.lit(None, dtype=pl.String)))
    # Names that are equal after the cut: the last one of the document stands, and a set one before a deleted one.
    frame = pl.concat(frames)
    if gone or (frame["key"].str.len_bytes().max() or 0) >= Limits.NAME:  # type: ignore[operator]
        frame = frame.unique(["user", "key"], keep="last", maintain_order=True)
    return _stamped(frame, stamp)


def _consents(batches: Objects, stamp: pl.DataFrame) -> pl.DataFrame:
    rows: list[tuple[int, str, str | None, bool]] = []
    for at, state in enumerate(bags(batches, "consent_state")):
        if not state:
            continue
        for purpose, consented in _records(state.get("gdpr")):
            rows.append((at, "gdpr", purpose, consented))
        for purpose, consented in _records(state.get("ccpa")):
            if purpose == "data_sale_opt_out":
                rows.append((at, "ccpa", None, consented))
    schema = {"user": pl.UInt32, "regulation": pl.String, "purpose": pl.String, "consented": pl.Boolean}
    return _stamped(pl.DataFrame(rows, schema=schema, orient="row"), stamp)


def _records(found: Any) -> Iterable[tuple[str, bool]]:
    if found is None:
        return
    if type(found) is not dict:
        raise Odd("consent_state")
    for purpose, record in found.items():
        if record is None:
            continue
        consented = record.get("consented") if type(record) is dict else None
        if type(consented) is not bool:
            raise Odd("consent_state")
        yield purpose, consented


def _devices(pieces: Pieces, stamp: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The context that events take from their batch, one row a batch, and the rows of `devices`."""
    applications, devices, limits = pieces.applications, pieces.devices, pieces.limits
    context = [singles(applications, key, field, limits) for field, key in _CONTEXT.items()]
    held = [singles(devices, key, field, limits) for field, key in _DEVICE.items()]
    countries = [values(devices, key) for key in _COUNTRIES]
    country = [next((each for each in found if each is not None), None) for found in zip(*countries, strict=True)]
    tablet = [None if each is None else "tablet" if each else "phone" for each in flags(devices, "is_tablet")]
    facts = [
        *held,
        scalars(country, "device_country", limits),
        singles(devices, "locale_language", "language", limits),
        scalars(tablet, "device_type", limits),
    ]
    when = stamp.select("user", "time_ms")
    rows = [
        when.with_columns(fact.alias("value"), pl.lit(fact.name).alias("field")).filter(pl.col("value").is_not_null())
        for fact in facts
        if fact is not None
    ]
    empty = when.clear().with_columns(value=pl.lit(None, dtype=pl.String), field=pl.lit(None, dtype=pl.String))
    columns = [column for column in (*context, *held) if column is not None]
    return pl.DataFrame([stamp["user"], *columns]).drop("user"), pl.concat(rows) if rows else empty


def _batch_places(batches: Objects, limits: Limits, locate: Locate | None) -> pl.DataFrame | None:
    given = bags(bags(batches, "context"), "location")
    if locate is not None:
        given = [
            place if any(value is not None for value in place.values()) or type(ip) is not str else locate(ip)
            for place, ip in zip(given, values(batches, "ip"), strict=True)
        ]
    return places(given, limits)


def _locations(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    """Rows of `locations` out of tagged places; any part that is not null makes a row."""
    number = [
        pl.when(pl.col(name).str.head(1).is_in(["n", "s"])).then(
            pl.col(name).str.slice(1).cast(pl.Float64, strict=False)
        )
        for name in ("latitude", "longitude")
    ]
    finite = [pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in ("latitude", "longitude")]
    told = frame.filter(pl.any_horizontal(pl.col(PLACE_FIELDS).is_not_null()))
    plain = told.with_columns(*(pl.col(name).str.slice(1) for name in _TEXT_PLACES), *number).with_columns(finite)
    return plain.with_columns(source=pl.lit(source))


def _attributions(batches: Objects, stamp: pl.DataFrame, limits: Limits) -> pl.DataFrame:
    told = bags(batches, "attribution_info")
    rows = [at for at, each in enumerate(told) if any(value is not None for value in each.values())]
    if not all(type(told[at].get(key)) in SCALARS for at in rows for key in ("publisher", "campaign")):
        raise Odd("attribution_info")
    return _attribution_rows(stamp[rows], ["install"] * len(rows), [told[at] for at in rows], "batch", limits)


def _attribution_rows(
    stamped: pl.DataFrame, events: list[str], told: list[Object], source: str, limits: Limits
) -> pl.DataFrame:
    columns = [pl.Series("event", events, dtype=pl.String)]
    columns += [column for key in ("publisher", "campaign") if (column := _tags(told, key, limits)) is not None]
    deleted = [source == "event" and each.get("action") == "delete" for each in told]
    columns.append(pl.Series("deleted", deleted, dtype=pl.Boolean))
    return stamped.with_columns(columns).with_columns(source=pl.lit(source))


def _tags(told: list[Object], key: str, limits: Limits) -> pl.Series | None:
    found = [None if each.get(key) is None else Limits().tag(each[key])[: Limits.VALUE + 1] for each in told]
    return pl.Series(key, found, dtype=pl.String) if any(found) else None


def _add_events(tables: dict[str, pl.DataFrame], pieces: Pieces, place: pl.DataFrame, context: pl.DataFrame) -> None:
    """Adds the rows of events, and the locations and attributions that events gave."""
    datas, limits = pieces.datas, pieces.limits
    common = place.with_columns(
        pl.Series("message_id", [each or None for each in texts(datas, "source_message_id")], dtype=pl.String),
        pl.Series("session_uuid", [each or None for each in texts(datas, "session_uuid")], dtype=pl.String),
    )
    session = singles(datas, "session_id", "session_id", limits)
    common = common if session is None else common.with_columns(session)
    of_batch = context[place["user"]] if context.width else context
    own = places(bags(datas, "location"), limits)
    if own is not None:
        _add_locations(tables, place, own)
        of_batch = _with_places(of_batch, own)
    if of_batch.width:
        common = common.hstack(of_batch)
    rows, products = event_rows(pieces)
    bag, tables["product_attributes"] = pieces.event_attributes.flat("event"), pieces.product_attributes.flat("product")
    numbers = rows["row"]
    plain = len(numbers) == len(common)
    tables["events"] = (common if plain else common[numbers]).hstack(rows.drop("row"))
    tables["event_attributes"] = bag if plain else _repeated(bag, numbers)
    tables["products"] = products if plain else _repeated(products, numbers)
    _add_attributions(tables, rows, place, pieces.told, limits)


def _repeated(flat: pl.DataFrame, numbers: pl.Series) -> pl.DataFrame:
    """What events have, by the rows that they became: `numbers` says of which event each row is."""
    if not len(flat):
        return flat
    places = pl.DataFrame({"event": numbers, "row": np.arange(len(numbers), dtype=np.uint32)})
    found = flat.join(places, on="event", maintain_order="left_right")
    return found.select(pl.col("row").alias("event"), *(name for name in flat.columns if name != "event"))


def _with_places(of_batch: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """The batch's place for events without their own; the two are never mixed."""
    if not set(PLACE_FIELDS) <= set(of_batch.columns):
        return own if not of_batch.width else of_batch.hstack(own)
    has_own = own.select(pl.any_horizontal(pl.all().is_not_null()).alias("own"))["own"]
    chosen = [own[name].zip_with(has_own, of_batch[name]) for name in PLACE_FIELDS]
    return of_batch.with_columns(chosen)


def _add_locations(tables: dict[str, pl.DataFrame], place: pl.DataFrame, own: pl.DataFrame) -> None:
    rows = _locations(place.rename({"timestamp_ms": "time_ms"}).hstack(own), "event")
    tables["locations"] = pl.concat([tables["locations"], rows]) if "locations" in tables else rows


def _add_attributions(
    tables: dict[str, pl.DataFrame], rows: pl.DataFrame, place: pl.DataFrame, told: dict[int, Object], limits: Limits
) -> None:
    """An attribution event named `attribution` or `uninstall`, or an uninstall that names a publisher or campaign."""
    if not set(rows["kind"].unique()) & {"attribution", "uninstall"}:
        return
    told_of = rows.filter(pl.col("kind").is_in(["attribution", "uninstall"]))
    found: list[int] = []
    events: list[str] = []
    names = told_of["name"].to_list() if "name" in told_of.columns else [None] * len(told_of)
    for row, kind, name in zip(told_of["row"], told_of["kind"], names, strict=True):
        if kind == "attribution" and name in ("attribution", "uninstall"):
            found.append(row)
            events.append("install" if name == "attribution" else "uninstall")
        elif kind == "uninstall" and any(told[row].get(key) is not None for key in ("publisher", "campaign")):
            found.append(row)
            events.append("uninstall")
    stamped = place[found].rename({"timestamp_ms": "time_ms"})
    given = _attribution_rows(stamped, events, [told[row] for row in found], "event", limits)
    tables["attributions"] = pl.concat([tables["attributions"], given], how="diagonal")
