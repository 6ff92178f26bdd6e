"""Data in: load files through the wizard, see what was loaded and refused, and manage workspaces and inputs."""

from __future__ import annotations

import streamlit as st

from core import CoreError, Dataset
from core.registry import Load
from workbench import inputs, parts, reports, session, tables, wizard


def reach(data: Dataset) -> None:
    """How much there is, and how far it reaches."""
    profiles, events = data.size
    end, start = data.end, data.start
    with st.container(horizontal=True, key="tiles"):
        parts.tile("Profiles", f"{profiles:,}")
        parts.tile("Events", f"{events:,}")
        parts.tile("Data from", f"{start:%-d %b %Y}" if start else "–")
        reaches = parts.ago(end, session.clock()) if end else "nothing was loaded yet"
        parts.tile("Data reaches", f"{end:%-d %b %H:%M}" if end else "–", reaches)


def load(data: Dataset | None) -> None:
    """The wizard, and the button at its end."""
    if not session.me().may("admin"):
        st.info("Only an Admin loads data.")
        return
    chosen = wizard.choose(data)
    if chosen is None:
        return
    name = chosen.files[0].stem
    with st.container(horizontal=True, vertical_alignment="center", key="load-actions"):
        go = st.button("Load", type="primary", icon=":material/upload:", key="load")
        keep = chosen.mapping is not None and st.checkbox("Remember the mapping", value=True, key="load-remember")
        files = "1 file" if len(chosen.files) == 1 else f"{len(chosen.files):,} files"
        st.caption(f"{files} into {chosen.workspace}/{chosen.input}", width="content")
    if go:
        try:
            session.remember_load(reports.request(chosen, remember=name if keep else None).id)
        except CoreError as error:
            parts.failed(error)
        else:
            session.forget_upload()
            st.rerun()


def history() -> None:
    """Every load with its report."""
    known = session.registry().loads.list(session.me(), limit=500)
    if not known:
        parts.empty("Nothing was loaded from here yet", "Loads of the command line and of notebooks are not listed.")
        return
    rows = [reports.row(each, session.clock()) for each in known]
    picked = tables.chosen_row(rows, reports.COLUMNS, key="loads-table", height=360)
    if picked is not None:
        report(known[picked])


def report(each: Load) -> None:
    """What one load did: counts, and everything that was refused with its reason."""
    with st.container(key="panel-entry-load"):
        st.markdown(
            f"**{reports.files_words(each)}** :gray[into {each.workspace}/{each.input}, {reports.state_words(each)}]"
        )
        if each.error:
            st.error(parts.plain(reports.reason(each)))
        counts = reports.counts(each)
        if counts:
            st.html(parts.facts([(label, f"{count:,}", "") for label, count in counts]))
        refused = reports.refusals(each)
        if not refused:
            st.caption("Nothing was refused." if each.report else "There is no report.")
            return
        st.markdown(f"**{len(refused):,} refused**")
        height = 38 + 35 * min(len(refused), 8)
        st.dataframe(refused[:1000], hide_index=True, key="refusals", column_config=reports.REFUSALS, height=height)
        name = f"refused-{each.id}.csv"
        st.download_button(
            "Download all refusals (CSV)", reports.csv_of(refused), name, "text/csv", on_click="ignore",
            icon=":material/download:",
        )  # fmt: skip


data = session.dataset()
with parts.head("Data"):
    pass
if data is not None:
    reach(data)
reports.running()
tab_load, tab_history, tab_inputs = st.tabs(
    ["Load", "Past loads", "Workspaces and inputs"], key="data-tab", on_change="rerun"
)
if tab_load.open:
    with tab_load:
        load(data)
if tab_history.open:
    with tab_history:
        history()
if tab_inputs.open:
    with tab_inputs:
        inputs.draw(data)
