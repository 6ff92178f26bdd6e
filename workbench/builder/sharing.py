"""Everything by which an audience leaves the builder or comes in: links, files, Python, SQL."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import streamlit as st

from core import Audience, CoreError, Dataset, DefinitionError, Problem
from core.audience import NAME_CHARACTERS
from core.dialects import DIALECTS
from core.errors import SqlError
from core.interchange import from_mparticle, to_mparticle
from core.links import from_link
from workbench import downloads, session
from workbench.builder import tree
from workbench.builder.draft import AS_OF, MOMENT, Draft, moment_asked
from workbench.builder.tree import Node, with_ids
from workbench.documents import parse_json


def menu(held: Draft) -> None:
    """Name, link, code, files."""
    opened = session.held("menus") or 0  # another key closes it when something was chosen
    with st.popover("More", icon=":material/more_horiz:", type="tertiary", key=f"more-{opened}"):
        _names(held)
        for label, icon, dialog in (
            ("Copy a link", "link", link),
            ("As Python or SQL", "code", code),
            ("Export", "file_download", export),
            ("Import in its place", "file_upload", bring),
        ):
            key = f"more-{dialog.__name__}"
            if st.button(label, icon=f":material/{icon}:", type="tertiary", key=key, on_click=_close, args=(opened,)):
                dialog(held)


def _close(opened: int) -> None:
    session.hold("menus", opened + 1)


def _names(held: Draft) -> None:
    def take(key: str, widget: str) -> None:
        typed = str(session.shown(widget)).strip()
        if len(typed) > NAME_CHARACTERS:
            session.say(f"A name has at most {NAME_CHARACTERS} characters: the last one stays.")
        elif typed or key == "external_name":
            held.change({**held.document, key: typed or None})
        else:
            session.say("An audience needs a name: the last one stays.")

    for label, key, hint in (("Name", "name", ""), ("External name", "external_name", "As the name")):
        widget = f"more-{key}"
        shown = session.put(widget, held.document.get(key) or "")
        st.text_input(label, shown, key=widget, placeholder=hint, on_change=take, args=(key, widget))


def _audience(held: Draft) -> Audience | None:
    """The draft as an audience; what is wrong with it is told, and None given."""
    try:
        return Audience.from_dict(held.plain())
    except DefinitionError as error:
        st.error("**It is not complete yet.** Complete or remove what is marked first.")
        tell(error.problems)
        return None


def tell(problems: tuple[Problem, ...]) -> None:
    """Problems as a list, each with its place."""
    for each in problems:
        st.markdown(f"- {f'`{each.path}`: ' if each.path else ''}{each.message} {each.hint}")


@st.dialog("Link to this definition")
def link(held: Draft) -> None:
    """The whole definition travels inside the link, saved or not."""
    audience = _audience(held)
    if audience is None:
        return
    try:
        text = audience.to_link(held.others())
    except CoreError as error:
        st.error(f"**{error.message}** {error.hint}")
        return
    base = str(st.context.url or "").split("?")[0]
    moment = "" if held.as_of is None else f"&{AS_OF}={held.as_of.strftime(MOMENT)}"
    st.code(f"{base}?link={text}{moment}", language=None, wrap_lines=True)
    st.caption(f"{len(text):,} characters. Whoever opens it sees this definition, on their own data, and can save it.")


@st.dialog("As Python or SQL", width="large")
def code(held: Draft) -> None:
    """The audience as source for a notebook, and as a query over the dataset's views."""
    audience, data = _audience(held), session.dataset()
    if audience is None or data is None:
        return
    form = st.segmented_control("Form", ["Python", "SQL"], default="Python", key="code-form", required=True)
    if form == "Python":
        st.code(audience.to_python(), language="python")
        return
    dialect = st.selectbox("Dialect", DIALECTS, key="code-dialect")
    try:
        st.code(audience.to_sql(dialect, now=held.moment(data), dataset=data, audiences=held.others()), language="sql")
    except SqlError as error:
        st.error("**SQL cannot say all of it.**")
        tell(error.problems)


@st.dialog("Export")
def export(held: Draft) -> None:
    """The document, ours and in mParticle's audience schema."""
    audience = _audience(held)
    if audience is None:
        return
    stem = f"{held.key}"
    native = json.dumps(audience.to_dict(), ensure_ascii=False, indent=2)
    st.download_button("Audience document (JSON)", native, f"{stem}.json", "application/json", on_click="ignore")
    written = to_mparticle(audience)
    document = json.dumps(written.document, ensure_ascii=False, indent=2)
    st.download_button(
        "mParticle’s audience schema (JSON)", document, f"{stem}.mparticle.json", "application/json", on_click="ignore"
    )
    if written.unsaid:
        st.warning("**mParticle’s schema cannot say all of it.** What is missing is marked in the file:")
        tell(written.unsaid)
    if written.notes:
        st.caption("Worth a look:")
        tell(written.notes)


def download(data: Dataset, held: Draft) -> None:
    """The identities of the members, by the version that is in force."""
    if held.audience_id is None:
        st.info("Nothing is saved yet. Save the draft, and its members can be downloaded here.")
        return
    saved = session.registry().audiences.get(held.audience_id, session.me())
    version = saved.active_version if saved.active_version is not None else saved.version
    beside = " What you have not saved is not in it." if held.edited else ""
    with st.container(width=560):
        st.markdown(
            f"A ZIP with a CSV of every identity of the members by **version {version}**, "
            f"{session.as_of_words(data, session.moment(data))}.{beside}"
        )
        downloads.form(data, [held.audience_id])


@st.dialog("Import in its place")
def bring(held: Draft) -> None:
    """A file in place of this definition; Undo brings it back."""
    file = st.file_uploader("An audience document, or one in mParticle’s schema", type=["json"], key="import-file")
    if file is None:
        st.caption("The name stays where the file has none. Undo brings back what is here now.")
        return
    try:
        document, notes = imported(parse_json(file.getvalue(), file.name), held.document)
    except DefinitionError as error:
        st.error("**The file was not taken over.**")
        tell(error.problems)
        return
    except CoreError as error:
        st.error(f"**The file was not taken over.** {error}")
        return
    tell(notes)
    if st.button("Take it over", type="primary", key="import-take"):
        held.change(with_ids({**document, "id": held.document["id"]}))
        st.rerun()


def imported(document: Any, present: Node) -> tuple[Node, tuple[Problem, ...]]:
    """The document of a file in our format; names and workspaces are the present ones where the file has none."""
    if isinstance(document, dict) and "schema_version" in document:
        read = from_mparticle(document, name=present["name"], workspaces=present["workspaces"])
        return read.audience.to_dict(), read.notes
    return Audience.from_dict(document).to_dict(), ()


def from_text(text: str) -> Draft:
    """The unsaved draft in a link. LinkError."""
    held = session.held("draft")
    if isinstance(held, Draft) and held.audience_id is None and session.held("link") == text:
        return held
    audience, named = from_link(text)
    draft = Draft(None, with_ids(audience.to_dict()), "", 0, embedded=named, as_of=moment_asked())
    session.hold("draft", draft)
    session.hold("link", text)
    return draft


def settled(held: Draft) -> Node:
    """The document to save; audiences that came along in a link are kept first, and named by their ids here."""
    used = {node["audience"] for _, node, _ in tree.leaves(held.root) if node.get("audience")}
    registry, by, at = session.registry(), session.me(), session.clock()
    known = registry.audiences.definitions(by, sorted(used)) if used else {}
    for audience_id in sorted(used & held.embedded.keys() - known.keys()):
        made = registry.audiences.create(held.embedded[audience_id], by=by, at=at)
        root = held.root
        for _, node, _ in tree.leaves(root):
            if node.get("audience") == audience_id:
                root = tree.changed(root, tree.Place(node["id"]), partial(_naming, audience_id=made.id))
        held.document = {**held.document, "definition": {**held.document["definition"], "root": root}}
    return held.plain()


def _naming(node: Node, audience_id: str) -> Node:
    return {**node, "audience": audience_id}
