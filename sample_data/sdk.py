"""Batches as mParticle's own Python SDK writes them, in every event class it has and with all its quirks.

The SDK (PyPI `mparticle`, Apache-2.0) spells `customerid`, labels crashes `commerce_event` and drops what is None,
except in attributes. Nothing here corrects that: what it would put on the wire is what is loaded.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

import numpy as np

from sample_data.details import ZERO_UUID, Details, Document, uuid_of
from sample_data.people import HOURS, People
from sample_data.visits import HOUR_MS
from sample_data.world import DESTINATIONS

BATCHES: Final = 200
PEOPLE: Final = 120
"""How many people they are about, where the sample has as many."""

EventMaker = Callable[[ModuleType, int, dict[str, Any]], Any]
"""(SDK models, number of the batch, common fields) -> an event of the SDK."""


def sdk_people(people: People) -> list[int]:
    """Who the batches are about: up to `PEOPLE` of the travel app that have a customer id and an e-mail."""
    known = np.flatnonzero(people.in_travel & people.has_customer_id & people.has_email & (people.joined_hour == 0))
    return known[:PEOPLE].tolist()


def sdk_batches(people: People, details: Details, end_ms: int) -> Iterator[Document]:
    """`BATCHES` batches, a third each named by mpid, by customer id and by e-mail; the JSON that the SDK would send."""
    models = _models()
    about = sdk_people(people)
    start_ms = end_ms - HOURS * HOUR_MS
    for number in range(BATCHES):
        at_ms = start_ms + HOUR_MS + number * 10 * HOUR_MS
        batch = _batch(models, number, about[number % len(about)], details, at_ms)
        yield json.loads(json.dumps(models.ApiClient.sanitize_for_serialization(batch)))


def _models() -> ModuleType:
    """The SDK, imported when it is needed: it is slow to import and warns about its own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        import mparticle
        from mparticle import models

    models.ApiClient = mparticle.ApiClient
    return models


def _batch(models: ModuleType, number: int, person: int, details: Details, at_ms: int) -> Any:
    batch = models.Batch()
    batch.environment = "production"
    batch.source_request_id = uuid_of(30, number + 1)
    batch.events = [_event(models, number, step, at_ms) for step in range(5)]
    batch.device_info = models.DeviceInformation(
        brand="server",
        device_manufacturer="none",
        http_header_user_agent="sample/1.0",
        ios_advertising_id=ZERO_UUID,
    )
    batch.device_info.platform = "out_of_band"
    batch.application_info = models.ApplicationInformation(application_name="Voyage server", application_version="1.4")
    batch.user_attributes = {
        "server_segment": f"G{number % 4}",
        "seats": ["aisle", "window"][: number % 3],
        "credit": 1.5 * number,
    }
    batch.deleted_user_attributes = ["credit"] if number % 50 == 49 else None
    batch.consent_state = _consent(models, number, at_ms)
    batch.context = models.BatchContext(data_plan=models.DataPlanContext(plan_id="server_plan", plan_version=2))
    batch.integration_attributes = {"128": {"token": f"t{number}"}}
    if number % 3 == 0:
        batch.mpid = details.people.mpid[person]
    elif number % 3 == 1:
        batch.user_identities = models.UserIdentities(customerid=details.customer_id(person, "travel-app"))
    else:
        batch.user_identities = models.UserIdentities(email=details.email(person), other="")
    return batch


def _consent(models: ModuleType, number: int, at_ms: int) -> Any:
    """Consent to one purpose, or the opt-out of sale: most batches say nothing."""
    if number % 10:
        return None
    consent = models.ConsentState()
    if number % 20:
        consent.ccpa = {"data_sale_opt_out": models.CCPAConsentState(consented=True, timestamp_unixtime_ms=at_ms)}
    else:
        given = models.GDPRConsentState(document="v2", consented=True, timestamp_unixtime_ms=at_ms, location="server")
        consent.gdpr = {"surveys": given}
    return consent


def _event(models: ModuleType, number: int, step: int, at_ms: int) -> Any:
    """The `step`th event of a batch: the makers in turn, so that every class comes in every few batches."""
    common = {
        "timestamp_unixtime_ms": at_ms + 1000 * step,
        "source_message_id": uuid_of(31, number * 5 + step + 1),
        "session_uuid": uuid_of(32, number + 1),
        "custom_attributes": {"number": number, "ratio": number / 8, "even": number % 2 == 0, "note": None},
    }
    return EVENT_MAKERS[(number * 7 + step) % len(EVENT_MAKERS)](models, number, common)


def _custom(models: ModuleType, number: int, common: dict[str, Any]) -> Any:
    place = models.GeoLocation(latitude=48.8534 + number / 1e4, longitude=2.3488, accuracy=20)
    state = models.DeviceCurrentState(battery_level=0.5, data_connection_type="wifi", gps_state=True)
    return models.AppEvent("Server Job", "other", location=place, device_current_state=state, **common)


def _media(models: ModuleType, number: int, common: dict[str, Any]) -> Any:
    # The setter of custom_event_type refuses "media"; the constructor does not.
    info = models.MediaInfo(action="play", channel="trips", format="video", playback_position=number)
    common["custom_attributes"] |= {"destination": DESTINATIONS[number % len(DESTINATIONS)], "category": "Server Tour"}
    return models.AppEvent("Play Video", "media", media_info=info, custom_flags={"flag": "1"}, **common)


def _attribution(models: ModuleType, _number: int, common: dict[str, Any]) -> Any:
    event = models.AppEvent("re-engagement", "attribution", **common)
    event.custom_attributes = {"publisher": "Newsletter", "campaign": "win_back"}
    return event


def _transition(models: ModuleType, number: int, common: dict[str, Any]) -> Any:
    event_class = models.ApplicationStateTransitionEvent
    makers = (
        event_class.create_upgrade_event,
        event_class.create_foreground_event,
        event_class.create_background_event,
    )
    event = makers[number % 3]()
    event.timestamp_unixtime_ms, event.source_message_id = common["timestamp_unixtime_ms"], common["source_message_id"]
    return event


def _product(models: ModuleType, number: int) -> Any:
    place = DESTINATIONS[number % len(DESTINATIONS)]
    return models.Product(
        id=f"SRV-{number % 15}", name=f"{place} voucher", brand="Voyage", category="Voucher", variant="paper",
        position=1, price=25.5, quantity=2, total_product_amount=51.0, custom_attributes={"destination": place},
    )  # fmt: skip


def _bought(models: ModuleType, number: int, common: dict[str, Any]) -> Any:
    product = _product(models, number)
    action = models.ProductAction(
        "purchase",
        transaction_id=f"S{number}",
        total_amount=51.0,
        tax_amount=8.5,
        shipping_amount=0.0,
        products=[product],
    )
    common["custom_attributes"]["destination"] = product.custom_attributes["destination"]
    cart = models.ShoppingCart(products=[product])
    return models.CommerceEvent(action, shopping_cart=cart, currency_code="EUR", screen_name="server", **common)


def _promoted(models: ModuleType, number: int, common: dict[str, Any]) -> Any:
    promotion = models.Promotion(id="P9", name="Voucher week", creative="mail", position="top")
    action = models.PromotionAction("view" if number % 2 else "click", [promotion])
    return models.CommerceEvent(promotion_action=action, **common)


def _impressed(models: ModuleType, number: int, common: dict[str, Any]) -> Any:
    shown = models.ProductImpression("Vouchers", [_product(models, number)])
    return models.CommerceEvent(product_impressions=[shown], is_non_interactive=True, **common)


def _crash(models: ModuleType, number: int, common: dict[str, Any]) -> Any:
    breadcrumb = models.BreadcrumbEvent(label="before", timestamp_unixtime_ms=common["timestamp_unixtime_ms"] - 5)
    return models.CrashReportEvent(
        class_name="ServerTimeout", severity="error", message="upstream gave up", exception_handled=number % 2 == 0,
        stack_trace="job.py:12", breadcrumbs=[breadcrumb], session_number=number, **common,
    )  # fmt: skip


def _changed(models: ModuleType, number: int, common: dict[str, Any]) -> Any:
    return models.UserAttributeChangeEvent(
        user_attribute_name="server_segment",
        new=f"G{number % 4}",
        old=None,
        deleted=False,
        is_new_attribute=True,
        **common,
    )


def _pushed(models: ModuleType, _number: int, common: dict[str, Any]) -> Any:
    fields = {"push_message_type": "sent", "message": "Hello", "network": "apn", "application_state": "background"}
    return models.PushMessageEvent(**fields, push_message_token="token", **common)


def _simple(class_name: str, **fields: Any) -> EventMaker:
    """An event class that needs no more than its own few fields."""
    return lambda models, _number, common: getattr(models, class_name)(**fields, **common)


def _uninstalled(models: ModuleType, _number: int, common: dict[str, Any]) -> Any:
    # There is no class for it: the constructor of EventBase takes what its setter would refuse.
    data = models.EventData(timestamp_unixtime_ms=common["timestamp_unixtime_ms"])
    return models.EventBase(data=data, event_type="uninstall")


EVENT_MAKERS: Final[tuple[EventMaker, ...]] = (
    _simple("SessionStartEvent"),
    _custom,
    _bought,
    _simple("ScreenViewEvent", screen_name="Server page", activity_type="job"),
    _simple("SessionEndEvent", session_duration_ms=4000),
    _media,
    _crash,
    _promoted,
    _transition,
    _attribution,
    _impressed,
    _simple("FirstRunEvent"),
    _simple("PushRegistrationEvent", register=True, registration_token="token"),
    _simple("ProfileEvent", profile_event_type="login", profile_name="server"),
    _simple("OptOutEvent", is_opted_out=False),
    _simple("BreadcrumbEvent", session_number=1, label="step"),
    _pushed,
    _simple(
        "NetworkPerformanceEvent", http_verb="GET", url="https://api.example/trips", time_elapsed=80, response_code=200
    ),
    _changed,
    _uninstalled,
)
"""Every event class of the SDK, and `EventBase` for what has none."""
