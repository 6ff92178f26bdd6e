"""The dialogs of the audience list: a new one, import, tags, sharing, download, deletion. Each asks, then does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from core import Audience, CoreError, Dataset
from core.registry import ACCESSES, AudienceSummary
from workbench import listing, parts, session

BUILD: Final = "../pages/build.py"
EMPTY: Final = {"version": 1, "root": {"type": "and", "criteria": []}}
TAG_CHARACTERS: Final = 18


def open_audience(audience_id: str) -> None:
    """Go to the builder."""
    st.switch_page(BUILD, query_params={"audience": audience_id})


def create(document: dict[str, Any], tags: Sequence[str] = ()) -> str:
    """Keep a new audience; its id."""
    made = session.registry().audiences.create(
        Audience.from_dict(document), by=session.me(), at=session.clock(), tags=tags
    )
    return made.id


@st.dialog("New audience", icon=":material/add:", on_dismiss="rerun")
def new(data: Dataset) -> None:
    """Ask for what an audience is made of before its criteria."""
    session.dialog_opens()
    name = st.text_input("Name", max_chars=100, key="new-name", placeholder="Potential Parisians")
    external = st.text_input(
        "External name", max_chars=100, key="new-external", placeholder=name or "the same as the name",
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
    if missing:
        st.caption(f"It needs {' and '.join(missing)}.")
    if st.button("Create", type="primary", disabled=bool(missing), key="new-create"):
        document = {
            "name": name,
            "external_name": external or None,
            "workspaces": workspaces,
            "inputs": chosen or None,
            "lookback_days": days,
            "definition": EMPTY,
        }
        try:
            made = create(document)
        except CoreError as error:
            parts.failed(error)
        else:
            open_audience(made)


@st.dialog("Import audience", icon=":material/upload:", on_dismiss="rerun")
def bring() -> None:
    """Audiences from JSON files: each is kept as a draft, or refused with every reason."""
    session.dialog_opens()
    st.caption("JSON of this workbench, one audience a file or a list of them. Each becomes a draft.")
    files = st.file_uploader("Files", type="json", accept_multiple_files=True, key="import-files")
    if not files or not st.button("Import", type="primary", key="import-go"):
        return
    made = []
    for file in files:
        try:
            found = json.loads(file.getvalue())
            made += [create(each) for each in (found if isinstance(found, list) else [found])]
        except json.JSONDecodeError as error:
            st.error(f"**{file.name}** is no JSON: {error.msg} in line {error.lineno}.")
        except CoreError as error:
            st.error(f"**{file.name}:** {error}")
    if len(made) == 1 and len(files) == 1:
        open_audience(made[0])
    if made:
        st.success(f"{len(made)} imported as drafts.")


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
    types = session.identity_types(data)
    picked = st.multiselect(
        "Identity types", types, key="download-types", format_func=lambda each: each.replace("_", " "),
        placeholder="Choose at least one",
    )  # fmt: skip
    neutral = st.checkbox("Neutralise values that a spreadsheet would run as a formula", key="download-neutral")
    if not picked:
        return
    if st.button("Prepare", type="primary", key="download-prepare"):
        with st.spinner("Writing the archive"):
            session.prepare_download(data, [each.id for each in chosen], picked, neutral)
    ready = session.prepared_download([each.id for each in chosen], picked, neutral)
    if ready is not None:
        name, content, words = ready
        st.caption(words)
        st.download_button(
            "Save the ZIP", content, name, "application/zip", on_click="ignore", icon=":material/download:"
        )


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
