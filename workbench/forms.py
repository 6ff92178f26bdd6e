"""Forms drawn from models: a row for each line of a model's template, a control for each field by its annotation.

No criterion is named here. A control shows what the document holds; a change goes through `Asking.edit`, which puts
another dictionary in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import streamlit as st

from core import Problem
from core.criteria import Model
from core.criteria.asked import SCOPE_PICKS, picked
from core.criteria.comparison import Comparison
from core.criteria.operators import operators_for
from core.criteria.template import Row, Slot, plain_words, rows_of
from core.criteria.windows import Window, window
from core.suggest import Suggestion
from workbench import controls
from workbench.adding import adders
from workbench.asking import ANY, UNCHOSEN, Asking
from workbench.builder.moments import interval_words
from workbench.builder.tree import Node, Place
from workbench.fitting import (
    compared_anew,
    is_closed,
    keys_of,
    recast,
    row_kinds,
    started,
    variant,
    variants,
    with_alternative,
    without,
)

NAMED = 236
"""Pixels of a box over names that tell their type, fill rate and different values."""
EVER = "at any time"
"""The choice of no window."""


def form(model: type[Model], data: Node, place: Place, path: str, ask: Asking) -> None:
    """The rows of a model, each with the problems of its fields."""
    ask = _looking(model, data, ask)
    told: set[Problem] = set()
    for number, row in enumerate(rows_of(model.template(data))):
        if _is_scope(model, row, data):
            continue
        first = replace(row, label=row.label[:1].upper() + row.label[1:]) if number == 0 else row
        _row(model, data, first, place, path, ask, f"{place.key}-{number}")
        mine = [each for each in ask.problems if each.path == path and _names(each, model, row, data)]
        told.update(mine)
        _tell(mine)
    _tell([each for each in ask.problems if each.path == path and each not in told])


def _looking(model: type[Model], data: Node, ask: Asking) -> Asking:
    """The surroundings inside a model: the events and the workspace that it looks at."""
    event_of = getattr(model, "event_of", None)
    if event_of is not None:
        ask = replace(ask, event=event_of(data))
    return replace(ask, workspace=data["workspace"]) if data.get("workspace") else ask


def _is_scope(model: type[Model], row: Row, data: Node) -> bool:
    fields = [field for slot in row.slots for field in slot.fields]
    return bool(fields) and all(picked(model.asked(field, data)) in SCOPE_PICKS for field in fields)


def _names(problem: Problem, model: type[Model], row: Row, data: Node) -> bool:
    """Whether a problem is about a field of a row."""
    return any(re.match(rf"'?{field}\b", problem.message) for field in _deep(model, row, data))


def _deep(model: type[Model], row: Row, data: Node) -> list[str]:
    fields = [field for slot in row.slots for field in slot.fields]
    for field in list(fields):
        inner, value = variant(model.asked(field, data).annotation, data.get(field)), data.get(field)
        if inner is not None and isinstance(value, dict):
            fields += [each for below in rows_of(inner.template(value)) for each in _deep(inner, below, value)]
    return fields


def _tell(problems: list[Problem]) -> None:
    """Problems at their field; what is only not there yet is no mistake."""
    for problem in problems:
        colour = "gray" if problem.message.endswith(("nothing.", UNCHOSEN)) else "red"
        words = f"{_escaped(problem.message)} {_escaped(problem.hint)}".strip()
        st.markdown(f":{colour}[:small[:material/error: {words}]]")


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>$~:])", r"\\\1", text)


# -- rows --------------------------------------------------------------------------------------------------------------


def _row(model: type[Model], data: Node, row: Row, place: Place, path: str, ask: Asking, key: str) -> None:
    many = next((slot for slot in row.slots if row_kinds(model, slot.fields[0], data) is not None), None)
    if many is not None:
        _list(model, data, row, many.fields[0], place, path, ask)
        return
    if row.slots and not any(_is_open(model, slot, data) for slot in row.slots):
        return
    with _line(key, row.label):
        _parts(model, data, row.parts, place, path, ask)
        for slot in row.slots:
            if given := _removable(model, slot, data):
                _remove(given, place, ask)


def _line(key: str, label: str) -> Any:
    """A row: its label in a column of its own, then controls."""
    line = st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"row-{key}")
    with line:
        st.markdown(f":gray[{label}]" if label else "", width="content")
    return line


def _parts(model: type[Model], data: Node, parts: tuple[str | Slot, ...], place: Place, path: str, ask: Asking) -> None:
    for part in parts:
        if isinstance(part, str):
            st.markdown(part, width="content")
        elif part.join == "either":
            _either(model, data, part, place, path, ask)
        else:
            for field in part.fields:
                if _is_open(model, Slot((field,), "one"), data):
                    _field(model, data, field, place, path, ask)


def _inline(model: type[Model], data: Node, place: Place, path: str, ask: Asking, chosen: bool = False) -> None:
    """A model inside a row of another: all of its parts one after the other; a choice before it says its label."""
    for row in rows_of(model.template(data)):
        if row.label and not chosen:
            st.markdown(row.label, width="content")
        _parts(model, data, row.parts, place, path, _looking(model, data, ask))


def _either(model: type[Model], data: Node, slot: Slot, place: Place, path: str, ask: Asking) -> None:
    if all(picked(model.asked(field, data)) for field in slot.fields):
        _named(model, data, slot, place, ask)
        return
    given = next((field for field in slot.fields if data.get(field) is not None), slot.fields[0])
    _field(model, data, given, place, path, ask)


def _named(model: type[Model], data: Node, slot: Slot, place: Place, ask: Asking) -> None:
    """One box over the names of several lists: whichever holds the name gets it."""
    found: dict[str, tuple[str, Suggestion]] = {}
    for field in slot.fields:
        for each in ask.names(picked(model.asked(field, data)) or "", ask.event):
            found.setdefault(each.value, (field, each))
    first = slot.fields[0]
    held = next((data[field] for field in slot.fields if data.get(field)), None)

    def edit(chosen: str | None) -> None:
        field = found[chosen][0] if chosen in found else first
        kept = {key: each for key, each in data.items() if key not in slot.fields}
        ask.edit(place, lambda _: _named_anew(model, {**kept, field: chosen or ""}, ask))

    suggested = [each for _, each in found.values()]
    controls.name(plain_words(first), suggested, held, f"{place.key}-name", edit, True, NAMED)


# -- fields ------------------------------------------------------------------------------------------------------------


def _field(model: type[Model], data: Node, field: str, place: Place, path: str, ask: Asking) -> None:
    info, value, key = model.asked(field, data), data.get(field), place.below(field).key
    label = plain_words(field)

    def edit(new: Any) -> None:
        def put(held: Node) -> Node:
            empty = new is None or (new == "" and field != "value")
            rest = {each: given for each, given in held.items() if each != field}
            if empty:
                return model.fitted({**rest, field: ""} if info.is_required() else rest)
            fitted = model.fitted({**held, field: new})
            return _named_anew(model, fitted, ask) if picked(info) and model.values_of(fitted) else fitted

        ask.edit(place, put)

    inner = variant(info.annotation, value)
    if inner is not None:
        _model(model, data, field, inner, place, path, ask)
    elif issubclass(model, Comparison) and field in ("value_type", "operator", "value"):
        _compared(model, data, field, place, key, edit, ask)
    elif options := model.options(field, data):
        optional = not info.is_required() and info.default is None
        shown = value if optional or value is not None else info.get_default()
        controls.choice(
            label, options, shown, key, edit, lambda each: model.option_words(field, each),
            placeholder=f"any {label.split()[-1]}" if optional else None,
        )  # fmt: skip
    elif source := picked(info):
        found = _suggested(source, ask)
        controls.name(label, found, value, key, edit, info.is_required(), controls.WIDE)
    else:
        _plain(model, data, field, label, value, key, edit, info.description)


def _plain(
    model: type[Model], data: Node, field: str, label: str, value: Any, key: str, edit: controls.Edit, help: str | None
) -> None:
    shape = model.shape(field, data)
    default = model.asked(field, data).get_default() if value is None else value
    if shape == "pair":
        controls.pair(label, value, key, edit, controls.read_number)
    elif shape == "number":
        controls.number(
            label, None if default is None or str(default).startswith("Pydantic") else default, key, edit, help
        )
    elif shape in ("date", "instant"):
        controls.moment(label, value, key, edit, times=shape == "instant")
    else:
        controls.text(label, value, key, edit)


def _suggested(source: str, ask: Asking) -> list[Suggestion]:
    kind, colon, name = source.partition(":")
    return ask.values(kind, name, ANY, ask.workspace).found(name, source) if colon else ask.names(source, ask.event)


def _compared(
    model: type[Comparison], data: Node, field: str, place: Place, key: str, edit: controls.Edit, ask: Asking
) -> None:
    """The forced type, the operator and the value of a comparison."""
    detected = _detected(model, data, ask)
    reads = data.get("value_type") or detected
    if field == "value_type":

        def force(kind: str | None) -> None:
            forced = {} if kind is None else {"value_type": kind}
            ask.edit(
                place, lambda held: recast(model, {**without(held, "value_type"), **forced}, kind or detected, ask.now)
            )

        controls.forced_type("Read the value as", data.get("value_type"), detected, key, force)
    elif field == "operator":

        def choose(operator: str) -> None:
            ask.edit(place, lambda held: recast(model, {**held, "operator": operator}, reads, ask.now))

        fitting = operators_for(reads)
        options = [*fitting, *(each for each in model.options("operator", data) if each not in fitting)]
        held = data.get("operator")
        controls.choice("operator", options, held, key, choose, lambda each: model.option_words("operator", each))
    else:
        _value(model, {**data, "value_type": reads}, key, edit, ask)


def _named_anew(model: type[Model], data: Node, ask: Asking) -> Node:
    return compared_anew(model, data, _detected(model, data, _looking(model, data, ask)), ask.now)


def _detected(model: type[Model], data: Node, ask: Asking) -> str | None:
    """What the values are that a comparison compares."""
    of = model.values_of(data)
    return ask.data_type(*of, ask.event, ask.workspace) if of else None


def _value(model: type[Comparison], data: Node, key: str, edit: controls.Edit, ask: Asking) -> None:
    shape, value = model.shape("value", data), data.get("value")
    key = f"{key}-{shape}"
    match shape:
        case "boolean":
            held = str(value).lower() if isinstance(value, bool) else value
            controls.choice("value", ["true", "false"], held, key, lambda each: edit(each == "true"), str, "Choose")
        case "number":
            controls.number("value", value, key, edit)
        case "pair":
            versions = data.get("value_type") == "version"
            controls.pair("value", value, key, edit, str if versions else controls.read_number)
        case _:
            of = model.values_of(data)
            found = ask.values(*of, ask.event, ask.workspace).found("value", key) if of else []
            draw = controls.values if shape == "texts" else controls.value
            draw("value", found, value, key, edit)


# -- models inside of models -------------------------------------------------------------------------------------------


def _model(
    model: type[Model], data: Node, field: str, inner: type[Model], place: Place, path: str, ask: Asking
) -> None:
    info, value, below = model.asked(field, data), data.get(field), place.below(field)
    several = variants(info.annotation)
    if len(several) > 1:
        optional = not info.is_required()

        def choose(chosen: type[Model] | str) -> None:
            new = {} if isinstance(chosen, str) else {field: started(chosen, value or {}, ask.now)}
            ask.edit(place, lambda held: model.fitted({**without(held, field), **new}))

        held = EVER if optional and value is None else inner
        controls.choice(
            plain_words(field), [EVER, *several] if optional else several, held, below.key, choose,
            lambda each: each if isinstance(each, str) else each.CHOICE,
        )  # fmt: skip
        if value is None:
            return
    _inline(inner, value or {}, below, path, ask, chosen=len(several) > 1)
    if issubclass(inner, Window) and value is not None:
        st.caption(interval(value, ask.now), width="content")


def interval(value: Node, now: datetime) -> str:
    """A window's first and last moment in UTC, what a window without one says is left out."""
    try:
        first, last = window(value).bounds(round(now.timestamp() * 1000))
    except ValueError:
        return ""
    return interval_words(first, last, now)


# -- lists -------------------------------------------------------------------------------------------------------------


def _list(model: type[Model], data: Node, row: Row, field: str, place: Place, path: str, ask: Asking) -> None:
    kinds = row_kinds(model, field, data) or []
    items: list[Node] = data.get(field) or []
    joined = "or" if row.label == "" else "and"
    for at, item in enumerate(items):
        kind = next((each for each in kinds if set(item) - {"id"} <= set(keys_of(each))), kinds[0])
        below = path if "[" in path.rpartition(".")[2] and row.label == "" else f"{path}.{field}[{at}]"
        label = row.label if at == 0 else joined
        alone = len(items) == 1 and row.label == ""
        _item(kind, kinds, item, label, at, below, Place(place.owner) if alone else Place(item["id"]), ask)


def _item(
    kind: type[Model], kinds: list[type[Model]], item: Node, label: str, at: int, path: str, gone: Place, ask: Asking
) -> None:
    place = Place(item["id"])
    inner = next((field for field in keys_of(kind) if row_kinds(kind, field, item) is not None), None)
    groups = [each for each in kinds if each.CHOICE]
    if kind.CHOICE and inner is not None:
        _alternatives(kind, groups, item, inner, label, path, gone, ask)
    elif len(rows_of(kind.template(item))) > 1:
        with st.container(key=f"step-{item['id']}"):
            with st.container(horizontal=True, vertical_alignment="center", key=f"step-head-{item['id']}"):
                st.markdown(f":gray[**{at + 1}**]", width="content")
                _remove_button(f"Remove step {at + 1}", place.key, lambda: ask.edit(gone, lambda _: None))
            form(kind, item, place, path, ask)
            with st.container(horizontal=True, key=f"step-foot-{item['id']}"):
                adders(kind, item, place, ask)
    else:
        with _line(item["id"], label):
            _inline(kind, item, place, path, ask)
            _remove_button("Remove condition", place.key, lambda: ask.edit(gone, lambda _: None))
            if groups:
                st.button(
                    "or", key=f"or-{item['id']}", type="tertiary", help="One of several conditions",
                    on_click=lambda: ask.edit(place, lambda held: with_alternative(groups[0], kind, held)),
                )  # fmt: skip
        _tell([each for each in ask.problems if each.path == path and path.endswith("]")])


def _alternatives(
    kind: type[Model],
    groups: list[type[Model]],
    item: Node,
    field: str,
    label: str,
    path: str,
    gone: Place,
    ask: Asking,
) -> None:
    """A group of alternatives: any of them, or none of them."""
    place = Place(item["id"])

    def choose(chosen: type[Model]) -> None:
        ask.edit(place, lambda held: {"id": held["id"], keys_of(chosen)[0]: held[field]})

    with st.container(key=f"any-{item['id']}"):
        with _line(item["id"], label):
            controls.choice("alternatives", groups, kind, f"{place.key}-group", choose, lambda each: each.CHOICE)
            adders(kind, item, place, ask)
            _remove_button("Remove alternatives", place.key, lambda: ask.edit(gone, lambda _: None))
        with st.container(key=f"alternatives-{item['id']}"):
            _list(kind, item, rows_of(kind.template(item))[0], field, place, path, ask)
            _tell([each for each in ask.problems if each.path == path])


def _remove_button(label: str, key: str, remove: Callable[[], None]) -> None:
    st.button(label, icon=":material/close:", key=f"rm-{key}", type="tertiary", on_click=remove)


# -- parts that are closed until one adds them -------------------------------------------------------------------------


def _is_open(model: type[Model], slot: Slot, data: Node) -> bool:
    return any(data.get(field) is not None or not is_closed(model, field, data) for field in slot.fields)


def _removable(model: type[Model], slot: Slot, data: Node) -> str | None:
    closed = (field for field in slot.fields if data.get(field) is not None and is_closed(model, field, data))
    return next(closed, None)


def _remove(field: str, place: Place, ask: Asking) -> None:
    label = f"Remove {plain_words(field)}"
    _remove_button(label, place.below(field).key, lambda: ask.edit(place, lambda held: without(held, field)))
