"""Audience criteria over profiles and events, evaluated exactly: the public names (DEFINITION 4)."""

from __future__ import annotations

from core.audience import Audience, Report
from core.builders import (
    any_of,
    attribute,
    attribution,
    audience_membership,
    calculated_attribute,
    cart_abandonment,
    consent,
    device,
    event,
    field,
    first_seen,
    identity,
    last_seen,
    location,
    none_of,
    product,
    sequence,
    user_attribute,
)
from core.criteria import And, Not, Or
from core.data.loading import LoadReport, Refusal
from core.dataset import Dataset
from core.errors import (
    CoreError,
    DatasetBusy,
    DatasetError,
    DatasetTooNew,
    DefinitionError,
    FormulaError,
    InputError,
    InterchangeError,
    LinkError,
    Problem,
)
from core.estimate import Estimate
from core.evaluate import Evaluation, NodeSize

__all__ = [
    "And",
    "Audience",
    "CoreError",
    "Dataset",
    "DatasetBusy",
    "DatasetError",
    "DatasetTooNew",
    "DefinitionError",
    "Estimate",
    "Evaluation",
    "FormulaError",
    "InputError",
    "InterchangeError",
    "LinkError",
    "LoadReport",
    "NodeSize",
    "Not",
    "Or",
    "Problem",
    "Refusal",
    "Report",
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
