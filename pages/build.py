"""One audience: its criteria, and what they select, side by side; and its history."""

from __future__ import annotations

import streamlit as st

from core import CoreError
from workbench import session
from workbench.builder import draft, history, sharing
from workbench.builder.editor import Editor
from workbench.builder.head import head


@st.fragment
def body(audience_id: str | None, link: str | None) -> None:
    """Everything that an edit repaints; an error of the core becomes words here, as nothing leaves a fragment."""
    try:
        draw(audience_id, link)
    except CoreError as error:
        st.title("This cannot be opened", anchor=False)
        st.error(f"**{error.message}** {error.hint}")
        st.caption("The audiences that there are stand in the list under Audiences.")


def draw(audience_id: str | None, link: str | None) -> None:
    """The head, and the open tab. What an edit changes is drawn first: its numbers wait for nothing else."""
    data = session.dataset()
    if data is None:
        st.rerun()
    held = draft.opened(audience_id) if audience_id is not None else sharing.from_text(link or "")
    for each in session.said():
        st.toast(each)
    top = st.container()
    build, files, past = st.tabs(["Build", "Download", "History"], key="tab", bind="query-params")
    editor = None
    if build.open:
        with build:
            editor = Editor(data, held)
            editor.numbers()
    with top:
        head(data, held)
    if editor is not None:
        editor.rest()
    if files.open:
        with files:
            sharing.download(data, held)
    if past.open:
        with past:
            history.draw(data, held)


audience_id, link = st.query_params.get("audience"), st.query_params.get("link")
if session.dataset() is None:
    st.title("No data yet", anchor=False)
    st.page_link("../pages/audiences.py", label="How to load data")
elif audience_id is None and link is None:
    st.title("No audience chosen", anchor=False)
    st.page_link("../pages/audiences.py", label="Choose one from the list")
else:
    body(audience_id, link)
