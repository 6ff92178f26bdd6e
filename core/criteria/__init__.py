"""What can be asked of a profile. A new criterion is one class in one module here; nothing lists it by hand."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Annotated, Any, Union, get_args

from pydantic import Discriminator

from core.criteria.base import And, Criterion, Model, Not, Or, Pick, walk

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def _concrete(base: type[Criterion]) -> list[type[Criterion]]:
    found = [base] if "type" in base.__annotations__ and "Literal" in str(base.__annotations__["type"]) else []
    return found + [each for below in base.__subclasses__() for each in _concrete(below)]


def node_type(kind: type[Criterion]) -> str:
    """The value of `type` that stands for a criterion class."""
    return str(get_args(kind.model_fields["type"].annotation)[0])


CRITERIA: dict[str, type[Criterion]] = {}
"""Every node by its `type`. Of two classes with one type the base stands for it (a sequence's step is an event)."""
for _kind in _concrete(Criterion):
    CRITERIA.setdefault(node_type(_kind), _kind)

Node: Any = Annotated[Union[tuple(CRITERIA.values())], Discriminator("type")]  # noqa: UP007 - made at run time
for _group in (And, Or, Not):
    _group.model_rebuild(_types_namespace={"Node": Node})

__all__ = ["CRITERIA", "And", "Criterion", "Model", "Node", "Not", "Or", "Pick", "node_type", "walk"]
