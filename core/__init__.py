"""Audience criteria over profiles and events, evaluated exactly: the public names (DEFINITION 4)."""

from __future__ import annotations

from core.audience import Audience, Report
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
    "Problem",
    "Refusal",
    "Report",
]
