"""The audiences: how big they are and how they move; new ones, and what is done to one or many."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import Dataset
from core.registry import STATUSES, AudienceSummary
from workbench import actions, dialogs, listing, parts, session

TABS = {
    "Single Workspace": lambda each: each.own and len(each.workspaces) == 1,
    "Multi Workspace": lambda each: each.own and len(each.workspaces) > 1,
    "Shared With Me": lambda each: not each.own,
}


def filtered(found: Sequence[AudienceSummary], key: str) -> list[AudienceSummary]:
    """What search, status and tags leave."""
    with st.container(horizontal=True, key=f"filters-{key}", vertical_alignment="center"):
        wanted = st.text_input(
            "Search", key=f"search-{key}", placeholder="Search name or tag", label_visibility="collapsed",
            icon=":material/search:", width=280, live="250ms", bind="query-params",
        )  # fmt: skip
        status = st.pills(
            "Status", STATUSES, key=f"status-{key}", label_visibility="collapsed", format_func=str.capitalize,
            bind="query-params",
        )  # fmt: skip
        tags = st.multiselect(
            "Tags", listing.tags(found), key=f"tags-{key}",
            placeholder="Tags", label_visibility="collapsed", width=240, help="Audiences with all of these tags",
            bind="query-params",
        )  # fmt: skip
    return [each for each in found if listing.fits(each, wanted or "", status, tags)]


@parts.fragment
def table(data: Dataset, found: list[AudienceSummary], key: str) -> None:
    """Filters, actions and the rows of one tab; a filter draws only these again."""
    left = filtered(found, key)
    if not left:
        parts.empty("No audience fits", "Search for less, or take a status or a tag away.")
        return
    listing.faults(left)
    above = st.container(key="selection")
    rows = [listing.row(each, shared=key == "Shared With Me") for each in left]
    columns = listing.columns(rows)
    state = st.dataframe(
        rows, column_config=columns, column_order=list(columns), hide_index=True, on_select="rerun",
        key=f"list-{key}-{hash(tuple(each.id for each in left))}", selection_mode=["multi-row", "single-cell"],
        row_height=48, height=min(48 * len(rows) + 38, 662), placeholder=listing.NONE,
    )  # fmt: skip
    selection = state["selection"]
    opened = [at for at, column in selection["cells"] if column == "Name"]
    if opened:
        dialogs.open_audience(left[opened[0]].id)
    alone = left if len(left) == 1 and len(found) > 1 else []
    chosen = [left[at] for at in selection["rows"] if at < len(left)] or alone
    if chosen:
        with above:
            actions.draw(data, chosen)
    st.caption(" \u2003 ".join(listing.LEGEND))


EMPTY = {
    "Single Workspace": ("No audience yet", "Make the first with New audience, or import one."),
    "Multi Workspace": ("No audience over several workspaces", "Choose two workspaces or more in New audience."),
    "Shared With Me": ("Nothing is shared with you", "What other accounts share with yours appears here."),
}


def show(data: Dataset) -> None:
    """The whole page."""
    session.no_dialog()
    with parts.head("Audiences", session.as_of_words(data, session.moment(data))):
        if session.me().may("audiences"):
            if st.button("Import", icon=":material/upload:", key="import"):
                dialogs.bring(data)
            if st.button("New audience", icon=":material/add:", type="primary", key="new"):
                dialogs.new(data)
    found = session.registry().audiences.list(session.me(), session.clock())
    kinds = {name: [each for each in found if belongs(each)] for name, belongs in TABS.items()}
    labels = {name: f"{name} :gray-badge[{len(each)}]" for name, each in kinds.items()}
    tabs = st.tabs(list(labels.values()), key="tabs", on_change="rerun")
    for tab, (name, each) in zip(tabs, kinds.items(), strict=True):
        if tab.open:
            with tab:
                if each:
                    listing.tiles(each)
                    table(data, each, name)
                else:
                    parts.empty(*EMPTY[name])
    if any(each.status == "calculating" for each in found):
        follow(listing.state(found))


@st.fragment(run_every="2s")
def follow(seen: int) -> None:
    """Draw the page again when a calculation has moved on, unless a dialog is open."""
    now = listing.state(session.registry().audiences.list(session.me(), session.clock()))
    if now != seen and not session.dialog_is_open():
        st.rerun()


data = session.dataset()
if data is None or not data.workspaces:
    with parts.head("Audiences"):
        pass
    parts.no_data()
else:
    show(data)
