"""One audience: its criteria, and what they select, side by side."""

from __future__ import annotations

import copy

import streamlit as st

from core import CoreError, Dataset
from workbench import session
from workbench.builder import Builder


def head(held: session.Draft) -> None:
    """Name, state and actions."""
    with st.container(horizontal=True, key="page-head", vertical_alignment="center"):
        st.title(f":gray[Audiences /] {held.document['name']}", anchor=False, width="content")
        if held.edited:
            st.badge("Edited, not saved", color="gray")
        st.space("stretch")
        with st.container(horizontal=True, key="page-actions", width="content"):
            undo, redo = not held.done, not held.undone
            st.button(
                "Undo", icon=":material/undo:", key="undo", type="tertiary", disabled=undo, on_click=step, args=(True,)
            )
            st.button(
                "Redo", icon=":material/redo:", key="redo", type="tertiary", disabled=redo, on_click=step, args=(False,)
            )
            if st.button("Save", type="primary", disabled=not held.edited):
                try:
                    session.save(held)
                except CoreError as error:
                    st.toast(f"Not saved: {error}", icon="⚠️")
                else:
                    st.rerun()


def step(back: bool) -> None:
    """Undo or redo."""
    held = session.draft(st.query_params["audience"])
    held.step(back)
    session.keep(held)


def scope(data: Dataset, held: session.Draft) -> None:
    """What every number depends on."""
    document = held.document
    spaces = list(data.workspaces)
    inputs = [each for name in document["workspaces"] if name in spaces for each in data.workspaces[name].inputs]
    now = session.moment(data)
    with st.container(horizontal=True, key="scope", vertical_alignment="center"):
        with st.popover(f":gray[Workspaces] {', '.join(document['workspaces'])}"):
            chosen_spaces = st.multiselect("Workspaces", spaces, document["workspaces"], key=f"spaces-{held.revision}")
        with st.popover(f":gray[Inputs] {', '.join(document.get('inputs') or ['all'])}"):
            known = list(dict.fromkeys([*inputs, *(document.get("inputs") or [])]))
            chosen_inputs = st.multiselect(
                "Inputs (none: all)", known, document.get("inputs"), key=f"in-{held.revision}"
            )
        days = document.get("lookback_days")
        with st.popover(f":gray[Event data] {f'last {days} days' if days else 'unlimited'}"):
            lookback = st.number_input("Days (0: unlimited)", 0, 3650, int(days or 0), key=f"days-{held.revision}")
        st.caption(f"{session.as_of_words(data, now)[:1].upper()}{session.as_of_words(data, now)[1:]}")
    edited = copy.deepcopy(document)
    edited["workspaces"] = chosen_spaces or document["workspaces"]
    edited["inputs"], edited["lookback_days"] = chosen_inputs or None, lookback or None
    before = {key: document.get(key) for key in ("workspaces", "inputs", "lookback_days")}
    if before != {key: edited[key] for key in before}:
        held.change(edited)
        session.keep(held)
        session.repaint()


@st.fragment
def body(data: Dataset, audience_id: str) -> None:
    """Everything that an edit repaints."""
    held = session.draft(audience_id)
    head(held)
    scope(data, held)
    Builder(data, held, session.moment(data)).draw()


data = session.dataset()
audience_id = st.query_params.get("audience")
if data is None or audience_id is None:
    st.title("No audience chosen", anchor=False)
    st.page_link("../pages/audiences.py", label="Choose one from the list")
else:
    body(data, audience_id)
