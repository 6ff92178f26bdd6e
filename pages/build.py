"""One audience: its criteria, and what they select, side by side."""

from __future__ import annotations

import streamlit as st

from core import CoreError
from workbench import session
from workbench.builder.editor import Editor


def head(held: session.Draft) -> None:
    """Name, state and actions."""
    with st.container(horizontal=True, key="page-head", vertical_alignment="center"):
        st.title(f":gray[Audiences /] {held.document['name']}", anchor=False, width="content")
        if held.edited:
            st.badge("Edited, not saved", color="gray")
        st.space("stretch")
        with st.container(horizontal=True, key="page-actions", width="content"):
            for label, back, off in (("Undo", True, not held.done), ("Redo", False, not held.undone)):
                icon = f":material/{label.lower()}:"
                st.button(
                    label, icon=icon, key=label.lower(), type="tertiary", disabled=off, on_click=step, args=(held, back)
                )
            if st.button("Save", type="primary", disabled=not held.edited):
                try:
                    session.save(held)
                except CoreError as error:
                    st.toast(f"Not saved: {error}", icon="⚠️")
                else:
                    st.rerun()


def step(held: session.Draft, back: bool) -> None:
    """Undo or redo."""
    held.step(back)
    session.keep(held)


@st.fragment
def body(audience_id: str) -> None:
    """Everything that an edit repaints."""
    data, held = session.dataset(), session.draft(audience_id)
    if data is None:
        st.rerun()
    for each in session.said():
        st.toast(each)
    head(held)
    Editor(data, held).draw()


audience_id = st.query_params.get("audience")
if session.dataset() is None or audience_id is None:
    st.title("No audience chosen", anchor=False)
    st.page_link("../pages/audiences.py", label="Choose one from the list")
else:
    body(audience_id)
