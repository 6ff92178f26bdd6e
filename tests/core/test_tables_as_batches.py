"""A mapped table gives the rows that batches of the same content give (DEFINITION 5.1, 6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.batches import load_batches
from core.data.store import Store
from core.data.tables import load_table

MAPPING = {
    "user": {"column": "user", "identity_type": "customer_id"},
    "time": {"column": "ts", "unit": "ms"},
    "event": {"column": "event"},
    "kinds": {
        "buy": {"kind": "ecommerce", "name": "purchase"},
        "look": {"kind": "screen_view"},
        "told": {"kind": "attribution", "name": "attribution"},
        "gone": {"kind": "uninstall"},
        "start": {"kind": "session"},
        "crash": {"kind": "crash"},
        "first": {"kind": "install"},
        "newer": {"kind": "upgrade"},
    },
    "attributes": ["note", "publisher", "action"],
    "fields": {"total_amount": "total", "platform": "os", "app_version": "version", "session_id": "session"},
    "product": {"name": "item", "price": "price"},
    "user_attributes": ["plan", "age"],
    "identities": {"email": "mail"},
    "location": {"latitude": "lat", "longitude": "lon", "city": "city"},
    "message_id": "id",
}
SCHEMA = {
    "user": pl.String,
    "ts": pl.Int64,
    "event": pl.String,
    "note": pl.String,
    "publisher": pl.String,
    "action": pl.String,
    "total": pl.Float64,
    "os": pl.String,
    "version": pl.String,
    "session": pl.Int64,
    "item": pl.String,
    "price": pl.Float64,
    "plan": pl.String,
    "age": pl.Int64,
    "mail": pl.String,
    "lat": pl.Float64,
    "lon": pl.Float64,
    "city": pl.String,
    "id": pl.String,
}
TEXT = st.none() | st.sampled_from(["", "a", "é", "Paris", "delete"])
NUMBER = st.none() | st.sampled_from([0.0, -1.5, 34.32, 100.0, 1e-7])
ROW = st.fixed_dictionaries(
    {
        "user": st.sampled_from(["u1", "u2", "u3"]),
        "ts": st.integers(1_714_500_000_000, 1_714_500_000_009),
        "event": st.sampled_from([*MAPPING["kinds"], "share", "walk"]),  # type: ignore[misc]
        "note": TEXT,
        "publisher": TEXT,
        "action": TEXT,
        "total": NUMBER,
        "os": TEXT,
        "version": TEXT,
        "session": st.none() | st.integers(-(2**63), 2**63 - 1),
        "item": TEXT,
        "price": NUMBER,
        "plan": TEXT,
        "age": st.none() | st.integers(0, 120),
        "mail": st.none() | st.sampled_from(["", "a@x.org", "b@x.org"]),
        "lat": NUMBER,
        "lon": NUMBER,
        "city": TEXT,
        "id": st.none() | st.sampled_from(["", "m1", "m2"]),
    }
)


def given_values(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def batch(row: dict[str, Any]) -> dict[str, Any]:
    """The batch that says what the row says."""
    product = given_values(name=row["item"], price=row["price"])
    data: dict[str, Any] = {
        "timestamp_unixtime_ms": row["ts"],
        "custom_attributes": given_values(note=row["note"], publisher=row["publisher"], action=row["action"]),
        "location": given_values(latitude=row["lat"], longitude=row["lon"], city_name=row["city"]),
        "source_message_id": row["id"],
        "session_id": row["session"],
    }
    known: dict[str, tuple[str, dict[str, Any]]] = {
        "buy": (
            "commerce_event",
            {
                "product_action": {
                    "action": "purchase",
                    **given_values(total_amount=row["total"]),
                    "products": [product],
                }
            },
        ),
        "look": ("screen_view", {"screen_name": "look"}),
        "told": ("custom_event", {"event_name": "attribution", "custom_event_type": "attribution"}),
        "gone": ("uninstall", {}),
        "start": ("session_start", {}),
        "crash": ("crash_report", {}),
        "first": ("first_run", {}),
        "newer": (
            "application_state_transition",
            {"application_transition_type": "application_initialized", "is_upgrade": True},
        ),
    }
    custom = ("custom_event", {"event_name": row["event"], "custom_event_type": "other"})
    event_type, own = known.get(row["event"], custom)
    return {
        "timestamp_unixtime_ms": row["ts"],
        "user_identities": given_values(customer_id=row["user"], email=row["mail"]),
        "user_attributes": given_values(plan=row["plan"], age=row["age"]),
        "device_info": given_values(platform=row["os"]),
        "application_info": given_values(application_version=row["version"]),
        "events": [{"event_type": event_type, "data": {**data, **own}}],
    }


def rows(store: Store, table: str) -> list[dict[str, Any]]:
    """A table's rows in order of arrival with mpid for profile; arrivals themselves differ: a batch takes one too."""
    mpids = store.read("profiles").select("profile", "mpid").collect()
    frame = store.read(table).collect().join(mpids, on="profile")
    order = [name for name in ("arrival", "field", "identity_type", "key", "value", "mpid") if name in frame.columns]
    frame = frame.sort(order)
    if table == "events":
        # only commerce events of batches can carry a total; a mapped field is there on every row
        frame = frame.with_columns(pl.when(pl.col("kind") == "ecommerce").then("total_amount").alias("total_amount"))
    return [
        {**row, "attributes": row.get("attributes") or [], "products": _products(row)}
        for row in frame.drop("profile", "arrival", strict=False).to_dicts()
    ]


def _products(row: dict[str, Any]) -> list[Any]:
    """Products that say something; a batch may list one that says nothing."""
    return [item for item in row.get("products") or [] if any(item.values())]


@given(st.lists(ROW, max_size=8))
def test_the_same_rows(tmp_path_factory: pytest.TempPathFactory, content: list[dict[str, Any]]) -> None:
    folder: Path = tmp_path_factory.mktemp("same")
    mapped, batched = Store.create(folder / "mapped"), Store.create(folder / "batched")
    scope = {"workspace": "w", "input": "i", "kind": "platform"}
    one = load_table(mapped, pl.DataFrame(content, schema=SCHEMA), MAPPING, **scope)
    other = load_batches(batched, [batch(row) for row in content], **scope)
    assert (one.events, one.profiles, one.duplicates) == (other.events, other.profiles, other.duplicates)
    for table in ("events", "attributes", "identities", "devices", "locations", "attributions"):
        assert rows(mapped, table) == rows(batched, table), table
