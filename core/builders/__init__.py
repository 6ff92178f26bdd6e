"""Builders for notebooks (DEFINITION 4): criteria in words, the same trees as the JSON.

event("purchase", kind="ecommerce").within_last(days=7).at_least(2) & ~consent("gdpr", "ads").rejected()
"""

from __future__ import annotations

from core.builders.conditions import any_of, attribute, field, none_of, product
from core.builders.events import cart_abandonment, event, sequence
from core.builders.profiles import (
    attribution,
    audience_membership,
    calculated_attribute,
    consent,
    device,
    first_seen,
    identity,
    last_seen,
    location,
    user_attribute,
)

__all__ = [
    "any_of",
    "attribute",
    "attribution",
    "audience_membership",
    "calculated_attribute",
    "cart_abandonment",
    "consent",
    "device",
    "event",
    "field",
    "first_seen",
    "identity",
    "last_seen",
    "location",
    "none_of",
    "product",
    "sequence",
    "user_attribute",
]
