"""The dialogs of the audience list: a new one, import, tags, sharing, download, deletion. Each asks, then does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, Final

import streamlit as st

from core import Audience, CoreError, Dataset, DefinitionError, InterchangeError
from core.audience import NAME_CHARACTERS
from core.interchange import from_mparticle
from core.registry import ACCESSES, AudienceSummary, SavedAudience
from workbench import downloads, listing, parts, session

BUILD: Final = "../pages/build.py"
EMPTY: Final = {"version": 1, "root": {"type": "and", "criteria": []}}
TAG_CHARACTERS: Final = 18


def open_audience(audience_id: str) -> None:
    """Go to the builder."""
    st.switch_page(BUILD, query_params={"audience": audience_id})


@st.dialog("New audience", icon=":material/add:", on_dismiss="rerun")
def new(data: Dataset) -> None:
    """Ask for what an audience is made of before its criteria."""
    session.dialog_opens()
    name = st.text_input("Name", key="new-name", placeholder="Potential Parisians", live="250ms")
    external = st.text_input(
        "External name", key="new-external", placeholder=name or "the same as the name",
        help="Under this name connections and downloads know it. Left empty: the name.",
    )  # fmt: skip
    known = list(data.workspaces)
    workspaces = st.multiselect("Workspaces", known, default=known[:1], key="new-workspaces")
    several = len(workspaces) > 1
    inputs = [f"{space}/{each}" if several else each for space in workspaces for each in data.workspaces[space].inputs]
    chosen = st.multiselect(
        "Inputs", inputs, key=f"new-inputs-{'-'.join(workspaces)}", placeholder="All of them",
        help="The platforms and feeds whose events count. None chosen: all.",
    )  # fmt: skip
    unlimited = st.toggle("Unlimited lookback", value=True, key="new-unlimited")
    days = None if unlimited else st.number_input("Event data range, days", 1, 3650, 30, key="new-days")
    missing = [what for what, there in (("a name", name and name.strip()), ("a workspace", workspaces)) if not there]
    long = [what for what, text in (("name", name), ("external name", external)) if len(text or "") > NAME_CHARACTERS]
    if missing:
        st.caption(f"It needs {' and '.join(missing)}.")
    for what in long:
        st.caption(f":red[The {what} is longer than {NAME_CHARACTERS} characters.]")
    if st.button("Create", type="primary", disabled=bool(missing or long), key="new-create"):
        document = {
            "name": name,
            "external_name": external or None,
            "workspaces": workspaces,
            "inputs": chosen or None,
            "lookback_days": days,
            "definition": EMPTY,
        }
        try:
            audience = Audience.from_dict(document)
            made = session.registry().audiences.create(audience, by=session.me(), at=session.clock()).id
        except CoreError as error:
            parts.failed(error)
        else:
            open_audience(made)


@st.dialog("Import audience", icon=":material/upload:", on_dismiss="rerun")
def bring(data: Dataset) -> None:
    """Audiences from JSON files: each is kept as a draft, or refused with every reason."""
    session.dialog_opens()
    st.caption("JSON of this workbench or in mParticle's audience schema, one audience a file. Each becomes a draft.")
    files = st.file_uploader("Files", type="json", accept_multiple_files=True, key="import-files")
    if not files or not st.button("Import", type="primary", key="import-go"):
        return
    made = [one for file in files if (one := _brought(data, file.name, file.getvalue())) is not None]
    if made:
        st.success(f"{len(made)} of {len(files)} imported as drafts: {', '.join(each.name for each in made)}.")


def _brought(data: Dataset, name: str, content: bytes) -> SavedAudience | None:
    """The audience of one file, kept; None where it is none, which is said."""
    try:
        document = json.loads(content)
        if isinstance(document, dict) and "schema_version" in document:
            read = from_mparticle(document, name=PurePath(name).stem[:100], workspaces=list(data.workspaces)[:1])
            audience, notes = read.audience, read.notes
        else:
            audience, notes = Audience.from_dict(document), ()
        made = session.registry().audiences.create(audience, by=session.me(), at=session.clock())
    except ValueError as error:  # no JSON, or no text at all
        st.error(f"**{name}** is no JSON: {error}.")
    except (DefinitionError, InterchangeError) as error:
        st.error(f"**{name}:**\n" + "\n".join(f"- {problem}" for problem in error.problems))
    except CoreError as error:
        st.error(f"**{name}:** {error}")
    else:
        for note in notes:
            st.warning(f"**{name}:** {note}")
        return made
    return None


@st.dialog("Tags", icon=":material/sell:", on_dismiss="rerun")
def tag(chosen: Sequence[AudienceSummary]) -> None:
    """Put tags on the chosen audiences, and take others off."""
    session.dialog_opens()
    st.caption(f"Of {names(chosen)}")
    held = sorted({each for one in chosen for each in one.tags}, key=str.casefold)
    known = sorted({*session.registry().audiences.tags(session.me()), *held}, key=str.casefold)
    everywhere = [each for each in held if all(each in one.tags for one in chosen)]
    picked = st.multiselect(
        "Tags that all of them have", known, default=everywhere, key="tags", accept_new_options=True,
        help=f"At most {TAG_CHARACTERS} characters each. Type to make a new one.",
    )  # fmt: skip
    only_some = [each for each in held if each not in everywhere and each not in picked]
    off = st.multiselect("Take off, where only some have it", only_some, key="tags-off") if only_some else []
    long = [each for each in picked if len(each) > TAG_CHARACTERS]
    if long:
        st.error(f"{', '.join(long)}: a tag has at most {TAG_CHARACTERS} characters.")
    if st.button("Save tags", type="primary", key="tags-save", disabled=bool(long)):
        removed = [*off, *(each for each in everywhere if each not in picked)]
        act(lambda: session.registry().audiences.tag(
            [each.id for each in chosen], add=picked, remove=removed, by=session.me(), at=session.clock()
        ))  # fmt: skip


@st.dialog("Share", icon=":material/share:", on_dismiss="rerun")
def share(each: AudienceSummary) -> None:
    """What other accounts may do with one audience."""
    session.dialog_opens()
    registry, me = session.registry(), session.me()
    others = [account for account in registry.people.accounts() if account.id != each.account.id]
    st.caption(f"**{each.name}**. View only: see and clone. Usable: also name it in their own audiences.")
    if not others:
        st.info("There is no other account. An Admin adds accounts in Settings.")
        return
    shares = {account.id: access for account, access in registry.audiences.shares(each.id, me).items()}
    for account in others:
        now = shares.get(account.id, "private")
        chosen = st.segmented_control(
            account.name, ACCESSES, default=now, required=True, key=f"share-{each.id}-{account.id}",
            format_func=listing.ACCESS_WORDS.__getitem__,
        )  # fmt: skip
        if chosen != now:
            try:
                registry.audiences.share(each.id, account.id, chosen, by=me, at=session.clock())
            except CoreError as error:
                parts.failed(error)
    if st.button("Done", key="share-done"):
        st.rerun()


@st.dialog("Delete", icon=":material/delete:", on_dismiss="rerun")
def delete(chosen: Sequence[AudienceSummary]) -> None:
    """Say what goes and what is in the way, then ask."""
    session.dialog_opens()
    registry, me = session.registry(), session.me()
    users = {each.id: registry.audiences.naming(each.id, me) for each in chosen}
    blocked = [each for each in chosen if set(users[each.id]) - {one.id for one in chosen}]
    free = [each for each in chosen if each not in blocked]
    for each in blocked:
        st.error(
            f"**{each.name}** stays: it is nested in {', '.join(users[each.id].values())}. "
            "Remove it from their criteria first."
        )
    if not free:
        return
    st.write(
        f"{names(free)}: definitions, versions, calculations and members are deleted for good. No data is touched."
    )
    label = f"Delete {len(free)} audiences" if len(free) > 1 else "Delete"
    if st.button(label, type="primary", key="delete-go"):

        def go() -> None:
            # Those that name others go first.
            for each in sorted(free, key=lambda one: bool(users[one.id])):
                registry.audiences.delete(each.id, by=me, at=session.clock())

        act(go)


@st.dialog("Download", icon=":material/download:", on_dismiss="rerun")
def download(data: Dataset, chosen: Sequence[AudienceSummary]) -> None:
    """A ZIP with one CSV an audience: its members' identities of the chosen types."""
    session.dialog_opens()
    st.caption(f"{names(chosen)}, as of {session.moment(data):%-d %b %Y %H:%M} UTC")
    downloads.form(data, [each.id for each in chosen], filled=True)


def names(chosen: Sequence[AudienceSummary]) -> str:
    """Audiences by name, the first three of many."""
    shown = ", ".join(f"**{each.name}**" for each in chosen[:3])
    return shown if len(chosen) <= 3 else f"{shown} and {len(chosen) - 3} more"


def act(change: Any) -> None:
    """Do a change and close the dialog; an error stays in it, in words."""
    try:
        change()
    except CoreError as error:
        parts.failed(error)
    else:
        st.rerun()
