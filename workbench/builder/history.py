"""The history of an audience: its versions, how one became the other, and an earlier one again."""

from __future__ import annotations

import streamlit as st

from core import CoreError, Dataset
from core.registry import Version, VersionDiff
from workbench import panel, parts, session
from workbench.builder.draft import Draft, discarded


def draw(data: Dataset, held: Draft) -> None:
    """Versions newest first; choosing one shows what it changed and offers to restore it."""
    if held.audience_id is None:
        st.info("Nothing is saved yet. Save the draft, and every version is kept here.")
        return
    versions = session.registry().versions.list(held.audience_id, session.me())
    left, right = st.columns([2, 3], gap="large")
    with left:
        chosen = _list(versions)
    with right:
        if chosen is None:
            st.caption("Choose a version to see what it changed.")
        else:
            _version(data, held, chosen, versions)


def _list(versions: tuple[Version, ...]) -> Version | None:
    rows = [
        {
            "Version": each.number,
            "Saved": each.saved_at,
            "By": each.saved_by,
            "Members": each.size,
            "": "in force" if each.in_force else each.note,
        }
        for each in versions
    ]
    chosen = st.dataframe(
        rows,
        hide_index=True,
        key="history-list",
        on_select="rerun",
        selection_mode="single-row",
        row_height=36,
        placeholder="–",
        column_config={
            "Version": st.column_config.NumberColumn(width="small"),
            "Saved": st.column_config.DatetimeColumn("Saved (UTC)", format="D MMM YYYY HH:mm", timezone="UTC"),
            "Members": st.column_config.NumberColumn(format="localized", help="As the last calculation of it found"),
        },
    )
    picked = chosen["selection"]["rows"]
    return versions[picked[0]] if picked and picked[0] < len(versions) else None


def _version(data: Dataset, held: Draft, chosen: Version, versions: tuple[Version, ...]) -> None:
    assert held.audience_id is not None
    numbers = [each.number for each in versions if each.number != chosen.number]
    before = max((each for each in numbers if each < chosen.number), default=None)
    st.subheader(f"Version {chosen.number}", anchor=False)
    definition = session.registry().versions.get(held.audience_id, chosen.number, session.me())
    st.caption(f"{definition.formula} · {definition.sentence}".replace("$", "\\$"))
    if numbers:
        against = st.selectbox(
            "Compared with",
            numbers,
            index=numbers.index(before) if before is not None else 0,
            format_func=lambda number: f"version {number}",
            key=f"history-against-{chosen.number}",
            width=220,
        )
        first, second = sorted((against, chosen.number))
        _difference(session.registry().versions.diff(held.audience_id, first, second, session.me()))
        _effect(data, held, first, second)
    else:
        st.caption("The first version: there is nothing to compare it with.")
    if st.button(f"Restore version {chosen.number}", key="history-restore", disabled=chosen == versions[0]):
        _restore(held, chosen)


def _difference(diff: VersionDiff) -> None:
    if diff.size_before is not None and diff.size_after is not None:
        st.markdown(f"**{diff.size_before:,} → {diff.size_after:,}** members when last calculated.")
    if not diff.changes:
        st.caption("They say the same.")
        return
    rows = [{"What": each.what, "Before": each.before or "–", "After": each.after or "–"} for each in diff.changes]
    st.table(rows)


def _effect(data: Dataset, held: Draft, first: int, second: int) -> None:
    """Who the later version brings in and who it leaves out, both asked at one moment."""
    assert held.audience_id is not None
    now, versions = held.moment(data), session.registry().versions
    try:
        before, after = (
            data.evaluate(each, now=now, audiences=session.named_by(each))
            for each in (versions.get(held.audience_id, number, session.me()) for number in (first, second))
        )
    except CoreError as error:
        st.caption(f"This data cannot answer both: {parts.plain(error.message)}")
        return
    st.caption(f"From version {first} to version {second}, both {session.as_of_words(data, now)}")
    panel.effect_block(before, after)


@st.dialog("Restore")
def _restore(held: Draft, chosen: Version) -> None:
    """Ask once: it becomes the newest version, nothing is lost."""
    assert held.audience_id is not None
    st.write(
        f"Version {chosen.number} is saved again as the newest version. What is in force stays until you activate it."
    )
    if held.edited:
        st.warning("**What you have not saved is dropped.** Save it first to keep it as a version of its own.")
    if st.button("Restore", type="primary", key="restore-confirm"):
        try:
            session.registry().versions.restore(
                held.audience_id, chosen.number, by=session.me(), at=session.clock(), seen=held.version
            )
        except CoreError as error:
            st.error(f"**{error.message}** {error.hint}")
            return
        discarded(held.audience_id)
        st.rerun()
