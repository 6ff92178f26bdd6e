"""Calculated attributes as their page shows them: rows, the form drawn from the model, saving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import streamlit as st

from core import CoreError, Dataset, DefinitionError, Problem
from core.criteria.calculated import CalculatedAttribute, CalculatedEvent, calculated_attribute
from core.uses import User
from workbench import forms, parts, session, tables
from workbench.adding import adders
from workbench.asking import UNCHOSEN
from workbench.builder.suggestions import asking
from workbench.builder.tree import Place, without_ids

COLUMNS: Final[Mapping[str, Any]] = {
    "Name": st.column_config.TextColumn(width=200),
    "Workspace": st.column_config.TextColumn(width=120),
    "What it is": st.column_config.TextColumn(width="large"),
    "Result": st.column_config.TextColumn(width="small"),
    "Used by": st.column_config.TextColumn(width="medium"),
}


def rows(data: Dataset) -> list[dict[str, Any]]:
    """Every calculated attribute, by workspace and name."""
    users = session.users(data)
    return [
        {
            "Name": name,
            "Workspace": workspace,
            "What it is": sentence(calculated_attribute(definition)),
            "Result": {"any": "text"}.get(kind := calculated_attribute(definition).result_type, kind),
            "Used by": tables.users_words(
                [
                    User(owner, None)
                    for owner, uses in users.items()
                    if any((each.source, each.name) == ("calculated_attributes", name) and workspace in each.workspaces
                           for each in uses)
                ]
            ),
        }
        for workspace, settings in data.workspaces.items()
        for name, definition in sorted(settings.calculated_attributes.items())
    ]  # fmt: skip


def sentence(attribute: CalculatedAttribute) -> str:
    """What it computes, in English."""
    what = CalculatedAttribute.option_words("calculation", attribute.calculation)
    of = f" of {attribute.of.ref[1].replace('_', ' ')}" if attribute.of is not None else ""
    window = f", {attribute.window.sentence}" if attribute.window is not None else ""
    text = f"{what}{of}, of those who {attribute.event.sentence}{window}"
    return text[:1].upper() + text[1:]  # names in it keep their case


def problems(definition: dict[str, Any]) -> tuple[Problem, ...]:
    """What stands in the way of a definition, also what is not chosen yet."""
    try:
        calculated_attribute(definition)
    except DefinitionError as error:
        return error.problems
    of = definition.get("of") or {}
    if "" in (of.get("attribute"), of.get("field"), *(of.get("product") or {}).values()):
        return (Problem("of", f"What the {definition['calculation']} is of {UNCHOSEN}"),)
    return ()


def form(data: Dataset, held: session.HeldAttribute) -> dict[str, Any]:
    """The controls; the definition that they hold."""
    spaces = list(data.workspaces)
    if len(spaces) > 1:
        chosen = st.selectbox(
            "Workspace", spaces, index=spaces.index(held.workspace), key="attribute-workspace",
            disabled=held.known, width=240,
        )  # fmt: skip
        held.workspace = chosen or held.workspace
    key = f"attribute-name-{held.document['id']}"
    name = st.text_input("Name", held.document["name"], key=key, live="300ms", disabled=held.known)
    held.document = {**held.document, "name": (name or "").strip()}
    definition: dict[str, Any] = without_ids(held.document)
    found = problems(definition)
    now = session.moment(data)
    ask = asking(data, {"workspaces": [held.workspace]}, now, found, held.edit)
    place = Place(held.document["id"])
    event = CalculatedEvent.event_of(definition["event"])
    with st.container(border=True, key="crit-open-attribute"):
        with st.container(key="form-attribute"):
            forms.form(CalculatedAttribute, held.document, place, "", replace(ask, event=event))
            forms.form(CalculatedEvent, held.document["event"], place.below("event"), "event", ask)
        with st.container(horizontal=True, key="foot-attribute"):
            adders(CalculatedEvent, held.document["event"], place.below("event"), ask)
    for problem in found:
        if not problem.path.startswith("event"):
            st.caption(f":orange[{parts.plain(problem.message[:1].upper() + problem.message[1:])}]")
    return definition


def save(data: Dataset, held: session.HeldAttribute, definition: dict[str, Any]) -> None:
    """Keep it; an error in words, with nothing lost."""
    taken = definition["name"] in data.workspaces[held.workspace].calculated_attributes
    if taken and not held.known:
        st.error(
            f"**{held.workspace} has a calculated attribute of that name.** Choose another name, or edit that one."
        )
        return
    try:
        session.registry().data.define(data, definition, workspace=held.workspace, by=session.me(), at=session.clock())
    except CoreError as error:
        parts.failed(error)
    else:
        session.end_attribute()
        st.rerun()
