"""Many batches in their one shape -> one Part of a load: users, events, and what the batches say of their profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import polars as pl

from core.data.batch_columns import Fields, Object, cut
from core.data.batch_events import event_rows, tagged_places
from core.data.batch_limits import Limits
from core.data.batch_pieces import Pieces
from core.data.batch_types import Consent
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
    """The rows of batches that arrived in this order."""
    batches, datas = pieces.batches, pieces.datas
    lengths = np.array(pieces.lengths, np.int64)
    of_batch = np.repeat(np.arange(len(batches), dtype=np.uint32), lengths)
    arrivals = np.arange(len(batches), dtype=np.int64) + np.cumsum(lengths) - lengths
    own, times = _times(pieces, of_batch, received_ms)
    stamp = pl.DataFrame(
        {"user": np.arange(len(batches), dtype=np.uint32), "time_ms": own, "arrival": arrivals},
    )
    tables = {"attributes": _attributes(pieces, stamp)}
    if pieces.identities:
        tables["identities"] = _identities(pieces, stamp)
    if pieces.consents:
        tables["consents"] = _consents(pieces, stamp)
    request = _named(batches.filled("source_request_id")).alias("request_id")
    tables["batches"] = stamp.with_columns(request)
    context, tables["devices"] = _devices(pieces, stamp)
    located = _batch_places(pieces, locate)
    if located is not None:
        context = context.hstack(located)
        tables["locations"] = _locations(stamp.hstack(located), "batch")
    if told := pieces.attributions:
        installs = _attribution_rows(stamp[[*told]], ["install"] * len(told), [*told.values()], "batch")
        tables["attributions"] = installs
    if len(datas):
        place = pl.DataFrame(
            {"user": of_batch, "timestamp_ms": times, "arrival": np.arange(len(datas)) + of_batch + np.int64(1)}
        )
        _add_events(tables, pieces, place, context)
    users = pl.DataFrame([batches.filled("mpid"), stamp["arrival"], request])
    return Part(users, {name: frame for name, frame in tables.items() if len(frame)}, len(batches) + len(datas))


def _named(texts: pl.Series) -> pl.Series:
    """Texts, null where they are empty."""
    empty = texts == ""
    return texts.set(empty, None) if empty.any() else texts


def _times(pieces: Pieces, of_batch: Any, received_ms: int | None) -> tuple[pl.Series, pl.Series]:
    """Times of batches (their own, else the latest event's, else the arrival's) and of events (else the batch's)."""
    own, times = (fields.filled("timestamp_unixtime_ms") for fields in (pieces.batches, pieces.datas))
    if own.null_count():
        latest = pl.DataFrame({"batch": of_batch, "time": times}).group_by("batch").agg(pl.col("time").max())
        numbers = pl.DataFrame({"batch": np.arange(len(own), dtype=np.uint32), "own": own})
        joined = numbers.join(latest, on="batch", how="left", maintain_order="left")
        own = joined.select(pl.coalesce("own", "time", pl.lit(received_ms, dtype=pl.Int64)))["own"]
    if times.null_count():
        times = times.zip_with(times.is_not_null(), own.gather(of_batch))
    return own, times


def _identities(pieces: Pieces, stamp: pl.DataFrame) -> pl.DataFrame:
    schema = {"user": pl.UInt32, "identity_type": pl.String, "value": pl.String}
    return _stamped(pl.DataFrame(pieces.identities, schema=schema, orient="row"), stamp)


def _stamped(frame: pl.DataFrame, stamp: pl.DataFrame) -> pl.DataFrame:
    """With the time and arrival of each row's batch."""
    at = frame["user"]
    return frame.with_columns(stamp["time_ms"].gather(at), stamp["arrival"].gather(at))


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


def _consents(pieces: Pieces, stamp: pl.DataFrame) -> pl.DataFrame:
    rows: list[tuple[int, str, str | None, bool]] = []
    for at, state in pieces.consents.items():
        rows += [(at, "gdpr", purpose, consented) for purpose, consented in _decided(state.gdpr)]
        sale = [consented for purpose, consented in _decided(state.ccpa) if purpose == "data_sale_opt_out"]
        rows += [(at, "ccpa", None, consented) for consented in sale]
    schema = {"user": pl.UInt32, "regulation": pl.String, "purpose": pl.String, "consented": pl.Boolean}
    return _stamped(pl.DataFrame(rows, schema=schema, orient="row"), stamp)


def _decided(found: dict[str, Consent | None] | None) -> list[tuple[str, bool]]:
    return [(purpose, record.consented) for purpose, record in (found or {}).items() if record is not None]


def _devices(pieces: Pieces, stamp: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The context that events take from their batch, one row a batch, and the rows of `devices`."""
    context = _renamed(pieces.applications, _CONTEXT)
    held = _renamed(pieces.devices, _DEVICE)
    facts = [*held, _country(pieces), *_renamed(pieces.devices, {"language": "locale_language"})]
    tablet = pieces.devices.column("is_tablet")
    if tablet is not None:
        facts.append(
            tablet.replace_strict({True: "stablet", False: "sphone"}, return_dtype=pl.String).alias("device_type")
        )
    when = stamp.select("user", "time_ms")
    rows = [
        when.with_columns(fact.alias("value"), pl.lit(fact.name).alias("field")).filter(pl.col("value").is_not_null())
        for fact in facts
        if fact is not None
    ]
    empty = when.clear().with_columns(value=pl.lit(None, dtype=pl.String), field=pl.lit(None, dtype=pl.String))
    return pl.DataFrame([stamp["user"], *context, *held]).drop("user"), pl.concat(rows) if rows else empty


def _renamed(fields: Fields, names: Mapping[str, str]) -> list[pl.Series]:
    """The fields of which anything is told, by other names."""
    found = [(name, fields.single(field)) for name, field in names.items()]
    return [column.alias(name) for name, column in found if column is not None]


def _country(pieces: Pieces) -> pl.Series | None:
    """The first country that a device tells."""
    found = [column for name in _COUNTRIES if (column := pieces.devices.column(name)) is not None]
    if not found:
        return None
    return cut(pl.select(pl.coalesce(found).alias("device_country")).to_series(), Limits.VALUE + 1, pieces.limits)


def _batch_places(pieces: Pieces, locate: Locate | None) -> pl.DataFrame | None:
    given = pieces.locations
    if locate is not None:
        given = [
            place if any(value is not None for value in place.values()) or type(ip) is not str else locate(ip)
            for place, ip in zip(given, pieces.ips, strict=True)
        ]
    return tagged_places(given, pieces.limits)


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


def _attribution_rows(stamped: pl.DataFrame, events: list[str], told: list[Object], source: str) -> pl.DataFrame:
    columns = [pl.Series("event", events, dtype=pl.String)]
    columns += [column for key in ("publisher", "campaign") if (column := _tags(told, key)) is not None]
    deleted = [source == "event" and each.get("action") == "delete" for each in told]
    columns.append(pl.Series("deleted", deleted, dtype=pl.Boolean))
    return stamped.with_columns(columns).with_columns(source=pl.lit(source))


def _tags(told: list[Object], key: str) -> pl.Series | None:
    found = [None if each.get(key) is None else Limits().tag(each[key])[: Limits.VALUE + 1] for each in told]
    return pl.Series(key, found, dtype=pl.String) if any(found) else None


def _add_events(tables: dict[str, pl.DataFrame], pieces: Pieces, place: pl.DataFrame, context: pl.DataFrame) -> None:
    """Adds the rows of events, and the locations and attributions that events gave."""
    datas, limits = pieces.datas, pieces.limits
    common = place.with_columns(
        _named(datas.filled("source_message_id")).alias("message_id"),
        _named(datas.filled("session_uuid")).alias("session_uuid"),
    )
    session = datas.single("session_id")
    common = common if session is None else common.with_columns(session)
    of_batch = context[place["user"]] if context.width else context
    own = tagged_places([pieces.places.get(at, {}) for at in range(len(datas))], limits) if pieces.places else None
    if own is not None:
        _add(tables, "locations", _locations(place.rename({"timestamp_ms": "time_ms"}).hstack(own), "event"))
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
    if pieces.told:
        _add(tables, "attributions", _attributions(rows, place, pieces.told))


def _add(tables: dict[str, pl.DataFrame], name: str, rows: pl.DataFrame) -> None:
    tables[name] = pl.concat([tables[name], rows], how="diagonal") if name in tables else rows


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


def _attributions(rows: pl.DataFrame, place: pl.DataFrame, told: dict[int, Object]) -> pl.DataFrame:
    """An attribution event named `attribution` or `uninstall`, or an uninstall that names a publisher or campaign."""
    told_of = rows.filter(pl.col("kind").is_in(["attribution", "uninstall"]))
    found: list[int] = []
    events: list[str] = []
    for row, kind, name in told_of.select("row", "kind", "name").rows():
        if kind == "attribution" and name in ("attribution", "uninstall"):
            found.append(row)
            events.append("install" if name == "attribution" else "uninstall")
        elif kind == "uninstall" and any(told[row].get(key) is not None for key in ("publisher", "campaign")):
            found.append(row)
            events.append("uninstall")
    stamped = place[found].rename({"timestamp_ms": "time_ms"})
    return _attribution_rows(stamped, events, [told[row] for row in found], "event")
