"""Calculated attributes: those that are defined, a form for one, and what it gives before it is saved."""

from __future__ import annotations

import streamlit as st

from core import CoreError, Dataset, DefinitionError
from core.charts import counts_chart
from core.computed import Computed
from core.criteria.calculated import calculated_attribute
from workbench import attributes, parts, profiles, session, tables


def listed(data: Dataset) -> None:
    """Everything that is defined; the chosen one can be edited and deleted."""
    rows = attributes.rows(data)
    if not rows:
        parts.empty("No calculated attribute yet", "Make the first: one value a profile, computed of its events.")
        return
    picked = tables.chosen_row(rows, attributes.COLUMNS, key=f"attributes-{len(rows)}", height=400)
    if picked is None:
        st.caption("Choose one to see what it gives, to edit or to delete it.")
        return
    workspace, name = rows[picked]["Workspace"], rows[picked]["Name"]
    definition = data.workspaces[workspace].calculated_attributes[name]
    with st.container(horizontal=True, key="selected", vertical_alignment="center"):
        st.markdown(f"**{parts.plain(name)}**", width="content")
        if session.me().may("admin"):
            if st.button("Edit", icon=":material/edit:", key="do-edit"):
                session.begin_attribute(workspace, definition)
                st.rerun()
            st.space("stretch")
            if st.button(":red[Delete]", icon=":material/delete:", key="do-delete"):
                delete(data, workspace, name)
    preview(data, workspace, definition, wide=True)


@st.dialog("Delete calculated attribute", icon=":material/delete:")
def delete(data: Dataset, workspace: str, name: str) -> None:
    """Ask once; what uses it is named instead."""
    st.write(f"**{parts.plain(name)}** of {workspace} is deleted for good. Events stay, so it can be defined again.")
    if st.button("Delete", type="primary", key="delete-go"):
        try:
            session.registry().data.remove(data, name, workspace=workspace, by=session.me(), at=session.clock())
        except CoreError as error:
            parts.failed(error)
        else:
            st.rerun()


def edited(data: Dataset, held: session.HeldAttribute) -> None:
    """The form at the left, what it gives at the right."""
    left, right = st.columns([6, 4], gap="large")
    with left:
        definition = attributes.form(data, held)
        problems = attributes.problems(definition)
        with st.container(horizontal=True, key="attribute-actions"):
            if st.button("Save", type="primary", key="save-attribute", disabled=bool(problems)):
                attributes.save(data, held, definition)
            if st.button("Cancel", key="cancel-attribute"):
                session.end_attribute()
                st.rerun()
    with right:
        if problems:
            with st.container(key="panel-entry-preview"):
                st.caption("What it gives appears here as soon as it is complete.")
        else:
            preview(data, held.workspace, definition)


def preview(data: Dataset, workspace: str, definition: dict[str, object], wide: bool = False) -> None:
    """Who has a value, how the values lie, and some people with theirs."""
    try:
        found = session.computed(data, workspace, definition)
    except DefinitionError as error:
        for problem in error.problems:
            st.error(f"**{problem.message}** {problem.hint}")
        return
    with st.container(key="panel-entry-preview"):
        st.caption(attributes.sentence(calculated_attribute(definition)))
        shown(found, wide)


def shown(found: Computed, wide: bool) -> None:
    """Figures, bars and samples."""
    with st.container(horizontal=True, key="tiles"):
        st.metric("Have a value", f"{found.having:,}")
        for name, value in found.figures:
            st.metric(name.capitalize(), profiles.short(value))
    if not found.having:
        st.caption("Nobody has a value: no such event was sent yet, or the window is too short.")
        return
    chart, people = st.columns([6, 4], gap="large") if wide else (st.container(), st.container())
    with chart:
        share = parts.share(found.having / found.people)
        st.markdown(f"**How the values lie** :gray[{share} of {found.people:,} people have one]")
        parts.chart(counts_chart(found.bars, found.people, parts.scheme()), "bars", "People by value")
    with people:
        st.markdown("**Some people** :gray[from the least to the greatest]")
        st.html(parts.facts([(str(mpid), profiles.said(value), "") for mpid, value in found.samples]))


data = session.dataset()
held = session.attribute()
with parts.head("Calculated attributes", "" if data is None else session.as_of_words(data, session.moment(data))):
    may = data is not None and data.workspaces and held is None and session.me().may("admin")
    if may and st.button("New attribute", icon=":material/add:", type="primary", key="new-attribute"):
        session.begin_attribute(next(iter(data.workspaces)) if data else "", None)
        st.rerun()
if data is None or not data.workspaces:
    parts.no_data()
elif held is not None:
    edited(data, held)
else:
    listed(data)
