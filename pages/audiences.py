"""The audiences: how big they are and how they move; new ones, and what is done to one or many."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import CoreError, Dataset
from core.registry import STATUSES, AudienceSummary
from workbench import dialogs, listing, parts, session

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
            icon=":material/search:", width=280, live="250ms",
        )  # fmt: skip
        status = st.pills(
            "Status", STATUSES, key=f"status-{key}", label_visibility="collapsed", format_func=str.capitalize
        )
        tags = st.multiselect(
            "Tags", sorted({tag for each in found for tag in each.tags}, key=str.casefold), key=f"tags-{key}",
            placeholder="Tags", label_visibility="collapsed", width=240, help="Audiences with all of these tags",
        )  # fmt: skip
    return [each for each in found if listing.fits(each, wanted or "", status, tags)]


def actions(data: Dataset, chosen: list[AudienceSummary]) -> None:
    """What can be done with the chosen rows."""
    one = chosen[0] if len(chosen) == 1 else None
    editor = session.me().may("audiences")
    mine = editor and all(each.own for each in chosen)
    with st.container(horizontal=True, key="row-actions", vertical_alignment="center"):
        st.markdown(f"**{len(chosen)} selected**", width="content")
        if one and st.button("Open", icon=":material/open_in_new:", key="act-open"):
            dialogs.open_audience(one.id)
        if one and editor and st.button("Clone", icon=":material/content_copy:", key="act-clone"):
            dialogs.open_audience(session.registry().audiences.clone(one.id, by=session.me(), at=session.clock()).id)
        if st.button("Download", icon=":material/download:", key="act-download"):
            dialogs.download(data, chosen)
        if not mine:
            return
        if one and st.button("Share", icon=":material/share:", key="act-share"):
            dialogs.share(one)
        if st.button("Tag", icon=":material/sell:", key="act-tag"):
            dialogs.tag(chosen)
        switch(data, chosen)
        st.space("stretch")
        if st.button(":red[Delete]", icon=":material/delete:", key="act-delete"):
            dialogs.delete(chosen)


def switch(data: Dataset, chosen: list[AudienceSummary]) -> None:
    """Pause those that are calculated, activate those that are not, and calculate now."""
    registry, me = session.registry(), session.me()
    rest = [each for each in chosen if each.status in ("draft", "paused")]
    if rest and st.button("Activate", icon=":material/play_arrow:", key="act-activate"):
        for each in rest:
            registry.audiences.activate(each.id, by=me, at=session.clock(), seen=each.version, dataset=data)
        st.rerun()
    live = [each for each in chosen if each not in rest]
    if live and st.button("Pause", icon=":material/pause:", key="act-pause"):
        for each in live:
            registry.audiences.pause(each.id, by=me, at=session.clock())
        st.rerun()
    if live and st.button("Calculate", icon=":material/refresh:", key="act-calculate"):
        for each in live:
            registry.calculations.request(each.id, by=me, at=session.clock())
        st.rerun()


def table(data: Dataset, found: list[AudienceSummary], key: str) -> None:
    """Tiles, filters, actions and the rows of one tab."""
    if not found:
        parts.empty(*EMPTY[key])
        return
    listing.tiles(found)
    left = filtered(found, key)
    if not left:
        parts.empty("No audience fits", "Search for less, or take a status or a tag away.")
        return
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
    chosen = [left[at] for at in selection["rows"] if at < len(left)]
    if chosen:
        with above:
            try:
                actions(data, chosen)
            except CoreError as error:
                parts.failed(error)
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
                dialogs.bring()
            if st.button("New audience", icon=":material/add:", type="primary", key="new"):
                dialogs.new(data)
    found = session.registry().audiences.list(session.me(), session.clock())
    kinds = {name: [each for each in found if belongs(each)] for name, belongs in TABS.items()}
    labels = {name: f"{name} :gray-badge[{len(each)}]" for name, each in kinds.items()}
    tabs = st.tabs(list(labels.values()), key="tabs", on_change="rerun")
    for tab, (name, each) in zip(tabs, kinds.items(), strict=True):
        if tab.open:
            with tab:
                table(data, each, name)
    if any(each.status == "calculating" for each in found):
        follow(listing.state(found))


@st.fragment(run_every="2s")
def follow(seen: int) -> None:
    """Draw the page again when a calculation has moved on, unless a dialog is open."""
    now = listing.state(session.registry().audiences.list(session.me(), session.clock()))
    if now != seen and not session.dialog_is_open():
        st.rerun()


data = session.dataset()
if data is None:
    with parts.head("Audiences"):
        pass
    parts.no_data()
else:
    show(data)
