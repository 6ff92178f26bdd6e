"""Workspaces and their inputs: what came through them, and new ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from core import CoreError, Dataset
from core.account import InputKind
from core.criteria.template import plain_words as words
from core.entries import InputUse
from workbench import parts, session
from workbench.progress import Progress

COLUMNS: Final[Mapping[str, Any]] = {
    "Workspace": st.column_config.TextColumn(),
    "Input": st.column_config.TextColumn(),
    "Kind": st.column_config.TextColumn(width="small"),
    "Events": st.column_config.NumberColumn(format="localized"),
    "30 days": st.column_config.LineChartColumn(y_min=0, help="Events a UTC day"),
    "Batches": st.column_config.NumberColumn(format="localized"),
    "First": st.column_config.DatetimeColumn(format="D MMM YYYY HH:mm", help="UTC"),
    "Last": st.column_config.DatetimeColumn(format="D MMM YYYY HH:mm", help="UTC"),
}
KINDS: Final[dict[str, InputKind]] = {"platform": "platform", "feed": "feed"}


def draw(data: Dataset | None) -> None:
    """The table, and below it the form for a new one, which makes the dataset too where there is none."""
    rows = [] if data is None else [row(each) for each in _inputs(data)]
    if rows:
        st.dataframe(rows, hide_index=True, key="inputs-table", column_config=COLUMNS, row_height=40, placeholder="–")
    else:
        st.caption("No workspace yet: the first load makes one, or add it here.")
    if session.me().may("admin"):
        add(data)


def _inputs(data: Dataset) -> list[InputUse]:
    with Progress("Counting what came through each input") as step:
        return data.inputs(now=session.moment(data), progress=step)


def add(data: Dataset | None) -> None:
    """Register an input, and its workspace where that is new."""
    known = [] if data is None else list(data.workspaces)
    with st.form("new-input", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        workspace = st.selectbox(
            "Workspace", known, index=None, key="new-input-workspace", accept_new_options=True,
            placeholder="Choose, or type a new one",
        )  # fmt: skip
        name = st.text_input("Input", key="new-input-name", placeholder="ios, web, crm ...")
        kind = st.segmented_control(
            "Kind", list(KINDS), default="platform", required=True, key="new-input-kind", format_func=str.capitalize
        )
        sent = st.form_submit_button("Add input", icon=":material/add:")
    if not sent:
        return
    if not workspace or not name or not name.strip():
        st.error("**An input needs a workspace and a name.** Fill in both.")
        return
    try:
        session.registry().data.add_input(
            session.dataset_or_new(), workspace=workspace, input=name.strip(), kind=KINDS[str(kind)],
            by=session.me(), at=session.clock(),
        )  # fmt: skip
    except CoreError as error:
        parts.failed(error)
    else:
        st.rerun()


def row(each: InputUse) -> dict[str, Any]:
    """An input as a row."""
    return {
        "Workspace": each.workspace,
        "Input": each.input,
        "Kind": words(each.kind).capitalize(),
        "Events": each.events,
        "30 days": list(each.days),
        "Batches": each.batches,
        "First": each.first,
        "Last": each.last,
    }
