"""What can be added to a model in a form: a button for each list of rows, each closed part, and each shortcut."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from core.criteria import Model
from core.criteria.template import Slot, plain_words, rows_of
from workbench.asking import Asking
from workbench.builder.tree import Change, Node, Place
from workbench.fitting import is_closed, row_kinds, variants, with_rows, with_start


def adders(model: type[Model], data: Node, place: Place, ask: Asking) -> None:
    """A button for everything that can be added to a model."""
    for row in rows_of(model.template(data)):
        for slot in row.slots:
            for field in slot.fields:
                _adder_of(model, data, field, slot, place, ask)
    for label, (field, rows) in getattr(model, "QUICK", {}).items():
        if not any(_alike(each, data.get(field) or []) for each in rows):
            _adder(label, label, place, ask, partial(with_rows, field=field, rows=[dict(each) for each in rows]))


def _adder_of(model: type[Model], data: Node, field: str, slot: Slot, place: Place, ask: Asking) -> None:
    label = model.ADDS.get(field) or plain_words(field).capitalize()
    kinds = row_kinds(model, field, data)
    if kinds is not None:
        _adder(label, field, place, ask, partial(with_rows, field=field, rows=[dict(kinds[0].START)]))
    elif data.get(field) is None and is_closed(model, field, data):
        start = dict(variants(model.asked(field, data).annotation)[0].START)
        _adder(label, field, place, ask, partial(with_start, field=field, slot=slot, start=start))


def _alike(row: Mapping[str, Any], held: list[Node]) -> bool:
    return any(each.get("field") == row.get("field") for each in held)


def _adder(label: str, name: str, place: Place, ask: Asking, change: Change) -> None:
    st.button(
        label, icon=":material/add:", key=f"add-{place.key}-{name}", type="tertiary",
        on_click=lambda: ask.edit(place, change),
    )  # fmt: skip
