"""The catalog: every name that the data holds, how much of it and since when, what it is, and who uses it."""

from __future__ import annotations

import streamlit as st

from core import Dataset
from core.entries import Entry
from workbench import entry, parts, session, tables


def filters(entries: list[Entry], data: Dataset) -> list[Entry]:
    """What the controls above the table leave of the entries."""
    with st.container(horizontal=True, key="filters", vertical_alignment="center"):
        wanted = st.text_input(
            "Search", key="catalog-search", placeholder="Search name or value", label_visibility="collapsed",
            icon=":material/search:", width=260, live="250ms",
        )  # fmt: skip
        groups = list(dict.fromkeys(each.group for each in entries))
        group = st.pills(
            "Kind", groups, default=groups[0], key="catalog-kind", label_visibility="collapsed",
            format_func=tables.plural,
        )  # fmt: skip
        spaces = list(data.workspaces)
        space = st.selectbox(
            "Workspace", spaces, index=None, key="catalog-space", placeholder="All workspaces",
            label_visibility="collapsed", width=180,
        ) if len(spaces) > 1 else None  # fmt: skip
    needle = wanted.strip().lower()
    return [
        each
        for each in entries
        if (group is None or each.group == group)
        and (space is None or each.workspace == space)
        and (not needle or any(needle in text.lower() for text in tables.texts(each)))
    ]


def show(data: Dataset) -> None:
    """The whole page."""
    now = session.moment(data)
    with parts.head("Catalog", session.as_of_words(data, now)):
        pass
    entries = session.catalog_entries(data, now)
    if not entries:
        parts.no_data()
        return
    used = session.used_by(data)
    found = filters(entries, data)
    if not found:
        parts.empty("Nothing has that name", "Search for less, or choose another kind or workspace.")
        return
    st.caption(f"{len(found):,} of {len(entries):,} names. Choose a row for its values and who uses it.")
    rows = [tables.catalog_row(each, used.of(each), masks=not session.sees_identities()) for each in found]
    picked = tables.chosen_row(rows, tables.CATALOG, key="catalog-table")
    if picked is not None:
        entry.details(data, found[picked], entries, used.of(found[picked]))


data = session.dataset()
if data is None:
    with parts.head("Catalog"):
        pass
    parts.no_data()
else:
    show(data)
