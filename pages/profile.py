"""One profile: found by mpid or any identity; what is known of it, what it did, and which audiences it is in."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from core import Dataset
from core.profile import InWorkspace, Profile
from workbench import parts, profiles, session


def found(data: Dataset, wanted: str, now: datetime) -> int | None:
    """The mpid that is meant; where several fit, the one that is chosen."""
    matches = data.find(wanted, now=now)
    mpids = list(dict.fromkeys(each.mpid for each in matches))
    if not mpids:
        parts.empty(
            f"Nobody has “{wanted}”",
            f"Neither as mpid nor as an identity, {session.as_of_words(data, now)}. Values compare exactly.",
        )
        return None
    if len(mpids) == 1:
        return mpids[0]

    def label(mpid: int) -> str:
        return f"{mpid}, by {', '.join(profiles.found_by(each) for each in matches if each.mpid == mpid)}"

    return st.radio(f"{len(mpids)} profiles have it, the latest first", mpids, format_func=label, key=f"of-{wanted}")


def nobody_yet(data: Dataset, now: datetime) -> None:
    """What to do before anybody was looked up."""
    st.caption("Look somebody up by mpid, e-mail, customer id, device id or any other identity. Seen last:")
    rows = [{"mpid": str(mpid), "Last seen": at} for mpid, at in data.recently_seen(now=now, limit=8)]
    picked = profiles.chosen(rows, profiles.RECENT, key="recent")
    if picked is not None:
        st.query_params["find"] = str(rows[picked]["mpid"])
        st.rerun()


def facts(known: Profile) -> None:
    """What the workspaces know, one tab each where there are several."""
    spaces = known.workspaces
    with st.container(key="panel-entry-facts"):
        places = st.tabs([each.workspace for each in spaces]) if len(spaces) > 1 else [st.container()]
        for place, each in zip(places, spaces, strict=True):
            with place:
                workspace(each, known.now)


def workspace(each: InWorkspace, now: datetime) -> None:
    """What one workspace knows."""
    st.caption(
        f"First seen {parts.moment(each.first_seen, now)}, last {parts.moment(each.last_seen, now)} "
        f"({parts.ago(each.last_seen, now)})"
    )
    for title, rows in profiles.groups(each, now):
        if rows:
            st.markdown(f"**{title}**")
            st.html(parts.facts(rows))


def show(data: Dataset) -> None:
    """The whole page."""
    now = session.moment(data)
    with parts.head("Profiles", session.as_of_words(data, now)):
        pass
    wanted = st.text_input(
        "Find", key="find", bind="query-params", placeholder="mpid, e-mail, customer id, or any other identity",
        label_visibility="collapsed", icon=":material/search:",
    ).strip()  # fmt: skip
    if not wanted:
        nobody_yet(data, now)
        return
    mpid = found(data, wanted, now)
    if mpid is None:
        return
    known = data.profile(mpid, now=now)
    known = known if session.sees_identities() else known.masked()
    left, right = st.columns([7, 3], gap="large")
    with right:
        facts(known)
    with left:
        profiles.heading(known)
        timeline, audiences = st.tabs(["Timeline", "Audiences"], key="profile-tab", on_change="rerun")
        if timeline.open:
            with timeline:
                profiles.timeline(data, known)
        if audiences.open:
            with audiences:
                profiles.audiences(data, known)


data = session.dataset()
if data is None or not data.size[0]:
    with parts.head("Profiles"):
        pass
    parts.no_data()
else:
    show(data)
