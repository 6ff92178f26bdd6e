"""The one shape of a batch, as types: the JSON library reads documents that have it straight into these.

Keys that are not named here are left out. What does not fit is brought into shape first (`core.data.batch_shapes`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta, Struct

EARLIEST_MS: Final = -62_135_596_800_000
LATEST_MS: Final = 253_402_300_799_999
"""Moments lie in the years 1 to 9999."""

Whole: TypeAlias = Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Moment: TypeAlias = Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)]
Kind: TypeAlias = Annotated[str, Meta(min_length=1)]
Scalar: TypeAlias = str | Whole | float | bool | None
"""Brought into shape it may be a Decimal too, or a whole number beyond 64 bits."""

Place: TypeAlias = dict[str, Scalar]
Bag: TypeAlias = dict[str, str | Whole | float | bool | list[Scalar] | None]
"""Brought into shape, values may be any that JSON has."""


class Product(Struct, gc=False):
    """A product of an action or impression."""

    id: Scalar = None
    name: Scalar = None
    brand: Scalar = None
    category: Scalar = None
    variant: Scalar = None
    position: Scalar = None
    price: Scalar = None
    quantity: Scalar = None
    coupon_code: Scalar = None
    total_product_amount: Scalar = None
    custom_attributes: Bag | None = None


class Action(Struct, gc=False):
    """A product action that says something. (In shape it may lack its name; read as it is it says at least that.)"""

    action: str
    checkout_step: Scalar = None
    transaction_id: Scalar = None
    affiliation: Scalar = None
    total_amount: Scalar = None
    tax_amount: Scalar = None
    shipping_amount: Scalar = None
    coupon_code: Scalar = None
    product_action_list: Scalar = None
    products: list[Product] | None = None


class Promotion(Struct, gc=False):
    """What a promotion action promotes."""

    id: Scalar = None
    name: Scalar = None
    creative: Scalar = None
    position: Scalar = None


class PromotionAction(Struct, gc=False):
    """A promotion action that says something, as `Action`."""

    action: str
    promotions: list[Promotion] | None = None


class Impression(Struct, gc=False):
    """Products that were shown."""

    product_impression_list: Scalar = None
    products: list[Product] | None = None


class Data(Struct, gc=False):
    """What an event says. Only those of commerce events have actions and impressions that must fit."""

    timestamp_unixtime_ms: Moment | None = None
    source_message_id: str | None = None
    session_uuid: str | None = None
    session_id: Scalar = None
    location: Place | None = None
    custom_attributes: Bag | None = None
    event_name: str | None = None
    custom_event_type: str | None = None
    screen_name: str | None = None
    session_duration_ms: Scalar = None
    application_transition_type: str | None = None
    is_first_run: bool | None = None
    is_upgrade: bool | None = None
    class_name: Scalar = None
    severity: Scalar = None
    message: Scalar = None
    exception_handled: Scalar = None
    currency_code: Scalar = None
    product_action: Action | None = None
    promotion_action: PromotionAction | None = None
    product_impressions: list[Impression] | None = None


class Event(Struct, gc=False):
    """An event of a batch."""

    event_type: Kind
    data: Data | None = None


class Identity(Struct, gc=False):
    """An identity of a list; others stand in an object."""

    identity_type: str
    identity: str | None = None


class Consent(Struct, gc=False):
    """What was decided of one purpose."""

    consented: bool


class Consents(Struct, gc=False):
    """Decisions by regulation and purpose."""

    gdpr: dict[str, Consent | None] | None = None
    ccpa: dict[str, Consent | None] | None = None


class Application(Struct, gc=False):
    """The app that sent a batch."""

    application_version: Scalar = None
    application_build_number: Scalar = None
    application_name: Scalar = None


class Context(Struct, gc=False):
    """Where a batch was sent from."""

    location: Place | None = None


class Batch(Struct, gc=False):
    """A batch."""

    mpid: Whole | None = None
    timestamp_unixtime_ms: Moment | None = None
    source_request_id: str | None = None
    environment: Any = None
    events: list[Event] | None = None
    user_identities: dict[str, str | None] | list[Identity] | None = None
    user_attributes: Bag | None = None
    deleted_user_attributes: list[str] | None = None
    device_info: dict[str, Scalar] | None = None
    application_info: Application | None = None
    consent_state: Consents | None = None
    context: Context | None = None
    ip: Any = None
    attribution_info: dict[str, Scalar] | None = None
