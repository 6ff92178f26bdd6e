"""What the page of one profile is made of: facts as small tables, the timeline, and the audiences it is in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import streamlit as st

from core import Dataset
from core.criteria.template import plain_words as words
from core.profile import ConsentKnown, Happening, InWorkspace, Known, Match, Profile
from workbench import parts, session, why

PAGE: Final = 25
RECENT: Final = {
    "mpid": st.column_config.TextColumn(width="medium"),
    "Last seen": st.column_config.DatetimeColumn(format="D MMM YYYY HH:mm:ss", help="UTC"),
}
EVENTS: Final = {
    "When": st.column_config.DatetimeColumn(format="D MMM YYYY HH:mm:ss", width=160, help="UTC"),
    "Event": st.column_config.TextColumn(width=180),
    "Kind": st.column_config.TextColumn(width=110),
    "Through": st.column_config.TextColumn(width=140),
    "Details": st.column_config.TextColumn(width="large"),
}
AUDIENCES: Final = {
    "Audience": st.column_config.TextColumn(width="large"),
    "Member": st.column_config.TextColumn(width="small", help="By the last calculation"),
    "Calculated": st.column_config.DatetimeColumn(format="D MMM HH:mm", help="UTC"),
}


def found_by(match: Match) -> str:
    """By what a profile was found."""
    return "mpid" if match.identity_type is None else words(match.identity_type)


def said(value: object) -> str:
    """A value as people read it."""
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value:%-d %b %Y %H:%M:%S}"
    if isinstance(value, float):
        return f"{value:,.12g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def short(value: object) -> str:
    """A figure that fits above a chart."""
    if isinstance(value, datetime):
        return f"{value:%-d %b %Y}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return said(value)


def heading(known: Profile) -> None:
    """Who it is, and where."""
    with st.container(horizontal=True, vertical_alignment="center", key="profile-head"):
        st.subheader(f"Profile {known.mpid}", anchor=False, width="content")
        for each in known.workspaces:
            st.badge(each.workspace, color="gray")


def groups(each: InWorkspace, now: datetime) -> Iterator[tuple[str, list[parts.Fact]]]:
    """The facts of a workspace by group, as rows."""

    def facts(known: Sequence[Known]) -> list[parts.Fact]:
        return [(words(one.name), said(one.value), parts.moment(one.at, now)) for one in known]

    yield "Identities", facts(each.identities)
    yield "Attributes", [(one.name, said(one.value), parts.moment(one.at, now)) for one in each.attributes]
    yield "Calculated attributes", [(name, said(value), "") for name, value in each.calculated]
    yield "Consent", [
        (
            f"{one.regulation.upper()} {words(one.purpose) if one.purpose else 'sale of data'}",
            consent_words(one),
            parts.moment(one.at, now),
        )
        for one in each.consents
    ]  # fmt: skip
    yield "Location", facts(each.location)
    yield "Devices", facts(each.devices)
    yield "Attribution", facts(each.attributions)


def consent_words(one: ConsentKnown) -> str:
    """The state of a consent; CCPA `consented` means opted out."""
    if one.purpose:
        return "given" if one.consented else "rejected"
    return "opted out" if one.consented else "not opted out"


def chosen(rows: list[dict[str, Any]], columns: dict[str, Any], *, key: str, height: int = 400) -> int | None:
    """A table of rows of which one can be chosen; the number of the chosen one."""
    state = st.dataframe(
        rows, column_config=columns, column_order=list(columns), hide_index=True, key=key, on_select="rerun",
        selection_mode="single-row", height=min(height, 38 + 35 * len(rows)),
    )  # fmt: skip
    picked = state["selection"]["rows"]
    return picked[0] if picked and picked[0] < len(rows) else None


def timeline(data: Dataset, known: Profile) -> None:
    """The events, newest first, a page at a time, of the chosen kinds."""
    counts = data.timeline(known.mpid, now=known.now, limit=0)
    if not counts.kinds:
        parts.empty("No events", "Only profile data is known, no event.")
        return
    kinds = sorted(counts.kinds, key=lambda kind: -counts.kinds[kind])
    picked = st.pills(
        "Kinds", kinds, selection_mode="multi", key=f"kinds-{known.mpid}", label_visibility="collapsed",
        format_func=lambda kind: f"{words(kind).capitalize()} {counts.kinds[kind]:,}",
    )  # fmt: skip
    total = data.timeline(known.mpid, now=known.now, kinds=picked, limit=0).total if picked else counts.total
    key = f"page-{known.mpid}-{'-'.join(picked)}"
    at = session.page_number(key, -(-total // PAGE))
    shown = session.timeline(data, known.mpid, known.now, tuple(picked), (at - 1) * PAGE, PAGE)
    rows = [row(each) for each in shown.events]
    number = chosen(rows, EVENTS, key=f"events-{key}-{at}", height=458)
    parts.pager(key, at, PAGE, total, "events")
    if number is not None:
        event(shown.events[number])


def row(each: Happening) -> dict[str, Any]:
    """One event as a row."""
    told = [f"{name}: {said(value)}" for name, value in each.attributes.items()]
    told += [f"{words(name)}: {said(value)}" for name, value in each.fields.items()]
    names = [said(product.get("name", product.get("id"))) for product in each.products]
    return {
        "When": each.at,
        "Event": each.name or words(each.kind).capitalize(),
        "Kind": words(each.kind).capitalize(),
        "Through": f"{each.workspace}/{each.input}",
        "Details": " · ".join([*names, *told]),
    }


def event(each: Happening) -> None:
    """Everything that one event carries."""
    with st.container(key="panel-entry-event"):
        name = parts.plain(each.name or words(each.kind).capitalize())
        st.markdown(f"**{name}** :gray[{each.at:%-d %b %Y %H:%M:%S}.{each.at.microsecond // 1000:03} UTC]")
        own = [(name, said(value), "") for name, value in each.attributes.items()]
        st.html(parts.facts([*own, *((words(name), said(value), "") for name, value in each.fields.items())]))
        for at, product in enumerate(each.products, start=1):
            st.caption(f"Product {at}")
            st.html(parts.facts([(words(name), said(value), "") for name, value in product.items()]))


def audiences(data: Dataset, known: Profile) -> None:
    """Which audiences it is in by their last calculation, and why one holds it or does not, as of now."""
    found = session.holding(known.mpid)
    if not found:
        parts.empty("No audience yet", "Make one on the Audiences page.")
        return
    rows = [
        {"Audience": each.name, "Member": {True: "yes", False: "no", None: ""}[inside], "Calculated": each.as_of}
        for each, inside in found
    ]
    inside = sum(member is True for _, member in found)
    st.caption(f"In {inside:,} of {len(found):,} audiences by their last calculation. Choose one to see why.")
    picked = chosen(rows, AUDIENCES, key=f"audiences-{known.mpid}")
    if picked is not None:
        with st.container(key="panel-entry-why"):
            st.markdown(f"**{parts.plain(found[picked][0].name)}** :gray[{session.as_of_words(data, known.now)}]")
            why.draw(session.explanation(data, found[picked][0].id, known), masks=not session.sees_identities())
