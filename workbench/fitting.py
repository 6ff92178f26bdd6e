"""What a choice in a form makes of a document: what fits is kept, the rest starts anew. No input is changed."""

from __future__ import annotations

from datetime import datetime
from types import UnionType
from typing import Any, Union, get_args, get_origin

from core.criteria import Model
from core.criteria.asked import bare, literals
from core.criteria.comparison import Comparison
from core.criteria.template import Slot
from workbench.builder.tree import Node, new_id, with_ids
from workbench.controls import read_number

STARTS = {"number": "equals", "boolean": "equals", "date": "within_last", "list": "includes", "version": "at_least"}
"""The operator of a name that has just been chosen, by its type; for texts "is exactly"."""


# -- models behind annotations -----------------------------------------------------------------------------------------


def variants(annotation: Any) -> list[type[Model]]:
    """The models that a value can be: of a union several."""
    kind = bare(annotation)[0]
    kinds = [bare(each)[0] for each in get_args(kind)] if get_origin(kind) in (Union, UnionType) else [kind]
    return [each for each in kinds if isinstance(each, type) and issubclass(each, Model)]


def variant(annotation: Any, value: Any) -> type[Model] | None:
    """The model of a value: by its type, else by its keys; the first where there is no value."""
    found = variants(annotation)
    given = set(value) - {"id"} if isinstance(value, dict) else set()
    for each in found:
        options = literals(each.model_fields["type"].annotation) if "type" in each.model_fields else ()
        if value and (value.get("type") in options or (not options and given <= set(keys_of(each)))):
            return each
    return found[0] if found else None


def row_kinds(model: type[Model], field: str, data: Node) -> list[type[Model]] | None:
    """The models of a field that holds a list of them, None for other fields."""
    kind = bare(model.asked(field, data).annotation)[0]
    return (variants(get_args(kind)[0]) or None) if get_origin(kind) is tuple else None


def keys_of(model: type[Model]) -> list[str]:
    """The keys of a model's data."""
    return [info.alias or name for name, info in model.model_fields.items()]


def is_closed(model: type[Model], field: str, data: Node) -> bool:
    """Whether a field is a model that is only asked for when one adds it."""
    info = model.asked(field, data)
    found = variants(info.annotation)
    if info.is_required() or len(found) != 1:
        return False
    return any(each.is_required() for each in found[0].model_fields.values())


# -- choices -----------------------------------------------------------------------------------------------------------


def started(model: type[Model], before: Node, now: datetime) -> Node:
    """A model that has just been chosen: what fits is kept, dates start from the day of now."""
    dates = _dates(model, {}, now)
    types = literals(model.model_fields["type"].annotation) if "type" in model.model_fields else ()
    kept = {key: each for key, each in before.items() if key in keys_of(model) and key != "type"}
    alike = {key: each for key, each in kept.items() if isinstance(each, str) == isinstance(dates.get(key, each), str)}
    options = {key: each for key, each in alike.items() if not (o := model.options(key, {})) or each in o}
    return {**({"type": types[0]} if types else {}), **dates, **model.START, **options}


def _dates(model: type[Model], data: Node, now: datetime) -> Node:
    """The day of now for every date that a model asks for."""
    asked = {field: model.shape(field, data) for field in ("date", "from", "to") if field in keys_of(model)}
    return {field: now.date().isoformat() for field, shape in asked.items() if shape in ("date", "instant")}


def compared_anew(model: type[Model], data: Node, reads: str | None, now: datetime) -> Node:
    """A comparison whose name has just been chosen: without a value it starts with an operator of the name's type."""
    if not issubclass(model, Comparison) or data.get("value") not in (None, "") or data.get("value_type"):
        return model.fitted(data)
    operator = STARTS.get(reads or "", "exact_match")
    start = {"operator": operator, **({"value": True} if reads == "boolean" else {})}
    return recast(model, {**without(data, "value"), **start}, reads, now)


def recast(model: type[Model], data: Node, reads: str | None, now: datetime) -> Node:
    """A comparison after another operator was chosen: its value in the shape that the operator takes."""
    fitted = model.fitted(data)
    if "value" not in fitted:
        dates = _dates(model, fitted, now)
        kept = {key: each for key, each in fitted.items() if key not in dates or isinstance(each, str)}
        return {**dates, **kept}
    new = _reshaped(fitted["value"], model.shape("value", {**fitted, "value_type": reads}))
    rest = without(fitted, "value")
    return rest if new is None else {**rest, "value": new}


def _reshaped(value: Any, shape: str) -> Any:
    """A value in another shape; None where nothing of it is left."""
    several = isinstance(value, list | tuple)
    first = value[0] if several and value else None if several else value
    match shape:
        case "texts":
            return [str(each) for each in value] if several else [] if first in (None, "") else [str(first)]
        case "pair":
            return list(value) if several and len(value) == 2 else [first, None]
        case "number":
            number = None if first is None or isinstance(first, bool) else read_number(str(first))
            return None if isinstance(number, str) else number
        case "boolean":
            return first if isinstance(first, bool) else True
        case _:
            return None if first is None else str(first).lower() if isinstance(first, bool) else str(first)


def without(data: Node, field: str) -> Node:
    """Data without a field."""
    return {key: each for key, each in data.items() if key != field}


def with_alternative(group: type[Model], kind: type[Model], held: Node) -> Node:
    """A condition with an alternative beside it."""
    field = next(each for each in keys_of(group))
    return {"id": new_id(), field: [held, with_ids(dict(kind.START))]}


def with_rows(held: Node, field: str, rows: list[Node]) -> Node:
    """Data with more rows in a list."""
    return {**held, field: [*(held.get(field) or []), *with_ids(rows)]}


def with_start(held: Node, field: str, slot: Slot, start: Node) -> Node:
    """Data with a field in place of those that exclude it."""
    return {**{key: each for key, each in held.items() if key not in slot.fields}, field: start}
