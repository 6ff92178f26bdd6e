"""The audiences that are kept: find one, open it, make a new one."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from core import Audience, CoreError, Dataset
from core.registry import AudienceSummary
from workbench import session

COLUMNS = {
    "Name": st.column_config.TextColumn(pinned=True, width="medium"),
    "Size": st.column_config.NumberColumn(format="localized", help="Members, exact"),
    "Share": st.column_config.NumberColumn(format="percent", help="Members of all profiles that can be members"),
    "Criteria": st.column_config.NumberColumn(width="small"),
    "Updated": st.column_config.DatetimeColumn(format="D MMM YYYY HH:mm"),
}


def row(data: Dataset, listed: AudienceSummary, now: datetime) -> dict[str, object]:
    """One audience as a row of the table; what is wrong with it stands in the column Note."""
    found: dict[str, object] = {"id": listed.id, "Name": listed.name, "Updated": listed.updated_at, "Note": ""}
    try:
        audience = session.registry().audiences.get(listed.id, session.me()).definition
        found |= {
            "Workspaces": ", ".join(audience.workspaces),
            "Criteria": sum(not node.children() for _, node in audience.nodes()),
        }
        size, universe = session.size(data, audience, now)
        found |= {"Size": size, "Share": size / universe if universe else None}
    except CoreError as error:
        found["Note"] = f"⚠ {error.message}"
    return found


@st.dialog("New audience")
def new(data: Dataset) -> None:
    """Ask for a name and workspaces."""
    name = st.text_input("Name", max_chars=100, key="new-name")
    workspaces = st.multiselect("Workspaces", list(data.workspaces), default=list(data.workspaces)[:1], key="new-ws")
    if st.button("Create", type="primary", disabled=not (name and workspaces)):
        empty = {"version": 1, "root": {"type": "and", "criteria": []}}
        audience = Audience.from_dict({"name": name, "workspaces": workspaces, "definition": empty})
        made = session.registry().audiences.create(audience, by=session.me(), at=session.clock())
        st.switch_page("../pages/build.py", query_params={"audience": made.id})


@st.dialog("Delete audience")
def delete(audience_id: str, name: str) -> None:
    """Ask once; say what is in the way."""
    st.write(f"**{name}** and its draft are deleted for good. No data is touched.")
    if st.button("Delete for good", type="primary"):
        try:
            session.registry().audiences.delete(audience_id, by=session.me(), at=session.clock())
        except CoreError as error:
            st.error(f"**{error.message}** {error.hint}")
        else:
            st.rerun()


def show(data: Dataset) -> None:
    """The list with its actions."""
    now = session.moment(data)
    listed = session.registry().audiences.list(session.me(), session.clock())
    with st.container(horizontal=True, key="page-head", vertical_alignment="center"):
        st.title("Audiences", anchor=False, width="content")
        st.badge(f"{len(listed)} audiences", color="gray")
        st.space("stretch")
        with st.container(horizontal=True, key="page-actions", width="content"):
            if st.button("New audience", type="primary"):
                new(data)
    wanted = st.text_input("Search", key="search", placeholder="Search by name", label_visibility="collapsed")
    bar = st.progress(0.0, "Sizes") if listed else st.empty()
    rows = []
    for at, each in enumerate(listed):
        rows.append(row(data, each, now))
        bar.progress((at + 1) / len(listed), "Sizes")
    bar.empty()
    rows = [each for each in rows if wanted.lower() in str(each["Name"]).lower()]
    if not rows:
        st.info("No audience has that in its name." if wanted else "No audience yet. Make the first with New audience.")
        return
    st.caption(f"Sizes {session.as_of_words(data, now)}. Choose a row to open, clone or delete it.")
    order = ["Name", "Size", "Share", "Workspaces", "Criteria", "Updated", "Note"]
    chosen = st.dataframe(
        rows, column_config=COLUMNS, column_order=order, hide_index=True, key="table",
        on_select="rerun", selection_mode="single-row", row_height=44,
    )  # fmt: skip
    picked = chosen["selection"]["rows"]
    if picked:
        actions(rows[picked[0]])
    with st.container(horizontal=True, key="links"):
        for shown in rows:
            st.page_link("../pages/build.py", label=str(shown["Name"]), query_params={"audience": str(shown["id"])})


def actions(chosen: dict[str, object]) -> None:
    """What can be done with the chosen audience."""
    audience_id, name = str(chosen["id"]), str(chosen["Name"])
    with st.container(horizontal=True, key="row-actions"):
        if st.button("Open"):
            st.switch_page("../pages/build.py", query_params={"audience": audience_id})
        if st.button("Clone"):
            made = session.registry().audiences.clone(audience_id, by=session.me(), at=session.clock())
            st.switch_page("../pages/build.py", query_params={"audience": made.id})
        if st.button("Delete"):
            delete(audience_id, name)


data = session.dataset()
if data is None:
    st.title("No data yet", anchor=False)
    st.write("Make the sample data, or import your own; then reload this page.")
    st.code("python -m sample_data.make\nworkbench import batches.jsonl --workspace app --input ios", language="bash")
else:
    show(data)
