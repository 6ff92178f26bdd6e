"""Whatever a caller passes, a load answers with a report or with a CoreError, and what it wrote can be read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from core.data.schema import TABLES
from core.data.store import Store
from core.errors import CoreError
from tests.core.loads import T, load

WORDS = (
    "custom_event screen_view session_start session_end crash_report commerce_event application_state_transition "
    "first_run uninstall attribution other purchase view application_initialized true false email customer_id gdpr "
    "ccpa data_sale_opt_out development 00000000-0000-0000-0000-000000000000 -5 12 1700000000000 99999999999999999999"
).split()
KEYS = (
    "events event_type data mpid timestamp_unixtime_ms source_request_id source_message_id custom_attributes "
    "user_attributes deleted_user_attributes user_identities device_info application_info context location "
    "consent_state gdpr ccpa data_sale_opt_out consented event_name custom_event_type screen_name is_first_run "
    "is_upgrade application_transition_type product_action action products promotion_action promotions "
    "product_impressions product_impression_list session_uuid session_id session_duration_ms class_name "
    "exception_handled attribution_info publisher campaign environment ip is_tablet platform latitude city_name id "
    "price identity_type identity customerid push_token application_version product_action_list total_amount"
).split()

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(), max_size=8),
    st.sampled_from(WORDS),
    st.binary(max_size=4),
    st.decimals(),
    st.builds(object),
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=25,
)


def sometimes(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly of the right kind, now and then anything."""
    return st.one_of(values, values, values, anything)


bag = st.dictionaries(st.text(max_size=4), anything, max_size=3)
place = st.fixed_dictionaries(
    {}, optional={"city_name": sometimes(st.text(max_size=3)), "latitude": sometimes(st.floats())}
)
product = st.fixed_dictionaries({}, optional={"id": sometimes(st.text()), "custom_attributes": sometimes(bag)})
data = st.fixed_dictionaries(
    {},
    optional={
        "timestamp_unixtime_ms": sometimes(st.just(T)),
        "source_message_id": sometimes(st.sampled_from(["m", "n"])),
        "event_name": sometimes(st.text(max_size=3)),
        "custom_event_type": sometimes(st.sampled_from(["attribution", "other"])),
        "custom_attributes": sometimes(bag),
        "location": sometimes(place),
        "product_action": sometimes(
            st.fixed_dictionaries(
                {"action": sometimes(st.just("purchase")), "products": sometimes(st.lists(product, max_size=2))}
            )
        ),
        "promotion_action": sometimes(st.just({"action": "view", "promotions": [{"id": 1}]})),
        "product_impressions": sometimes(
            st.lists(st.fixed_dictionaries({"products": st.lists(product, max_size=2)}), max_size=2)
        ),
        "is_first_run": sometimes(st.booleans()),
        "is_upgrade": sometimes(st.booleans()),
        "application_transition_type": sometimes(st.just("application_initialized")),
    },
)
events = sometimes(
    st.fixed_dictionaries({"event_type": sometimes(st.sampled_from(WORDS[:12])), "data": sometimes(data)})
)
batches = sometimes(
    st.fixed_dictionaries(
        {"events": sometimes(st.lists(events, max_size=3))},
        optional={
            "mpid": sometimes(st.integers(0, 3)),
            "timestamp_unixtime_ms": sometimes(st.just(T)),
            "source_request_id": sometimes(st.sampled_from(["r", "s"])),
            "user_identities": sometimes(st.dictionaries(st.sampled_from(["email", "x"]), st.sampled_from(["1", "2"]))),
            "user_attributes": sometimes(bag),
            "deleted_user_attributes": sometimes(st.lists(st.text(max_size=2), max_size=2)),
            "device_info": sometimes(st.dictionaries(st.sampled_from(KEYS), scalars, max_size=3)),
            "consent_state": anything,
            "context": sometimes(st.fixed_dictionaries({"location": sometimes(place)})),
            "attribution_info": sometimes(st.just({"publisher": "p"})),
        },
    )
)


def loaded(source: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(Path(folder) / "dataset")
        if isinstance(source, bytes):
            (Path(folder) / "file").write_bytes(source)
            source = Path(folder) / "file"
        try:
            report = load(store, source)
        except CoreError:
            assert store.manifest().version == 1
            return
        manifest = store.manifest()
        for table in TABLES:
            height = store.read(table).collect().height
            assert height == sum(segment.tables.get(table, 0) for segment in manifest.segments)
        assert store.read("events").collect()["arrival"].n_unique() == report.events
        assert store.read("batches").collect().height == report.batches
        assert manifest.profiles == report.profiles


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def test_very_deep_values() -> None:
    loaded([{"mpid": 1, "timestamp_unixtime_ms": T, "user_attributes": {"a": nested(50_000)}}])


@given(st.lists(batches, max_size=4))
@example([{"mpid": 1, "timestamp_unixtime_ms": T, "user_attributes": {"a": nested(90)}}])
@example([{"mpid": 1, "timestamp_unixtime_ms": T, "user_attributes": {"a": 10**5000}}])
def test_documents(documents: list[Any]) -> None:
    loaded([document for document in documents if not isinstance(document, str)])


@given(anything)
def test_sources(source: Any) -> None:
    loaded(source if not isinstance(source, str | list) else [each for each in source if not isinstance(each, str)])


@given(st.one_of(st.binary(), st.lists(batches.filter(lambda each: isinstance(each, dict)), max_size=3)))
@example(b'{"mpid":1,"timestamp_unixtime_ms":1,"user_attributes":{"a":' + b"[" * 900 + b"]" * 900 + b"}}")
@example(b'{"mpid":1,"timestamp_unixtime_ms":1,"x":' + b"[" * 900 + b"]" * 900 + b"}")
@example(b"\x1f\x8b\x08")
@example(b"\x28\xb5\x2f\xfd")
def test_files(content: Any) -> None:
    if isinstance(content, list):
        try:
            content = b"\n".join(orjson.dumps(document) for document in content)
        except TypeError:
            return
    loaded(content)


@given(st.binary(max_size=30), st.integers(0, 400))
def test_damaged_lines(noise: bytes, at: int) -> None:
    line = orjson.dumps({"mpid": 1, "timestamp_unixtime_ms": T, "events": [{"event_type": "custom_event", "data": {}}]})
    text = line + b"\n" + line
    loaded(text[:at] + noise + text[at:])
