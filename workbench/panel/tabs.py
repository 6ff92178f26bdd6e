"""The blocks of the panel that are looked at one at a time: only the open one is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import Any, Final
from zlib import crc32

import streamlit as st

from core import CoreError, charts
from core.history import History, forecast
from core.members import SHOWN, some_members
from core.near_misses import NearMiss, instead_words, near_misses, near_misses_frame
from workbench import parts, session, why
from workbench.panel.look import Look, show, table
from workbench.progress import Progress

OVERLAPS: Final = 9
PREVIEWED: Final = 1000
"""So many members can be looked at a page after the other; the download has all."""


@parts.fragment
def tabs(look: Look, tables: bool) -> None:
    """Blocks of which only the open one is computed. What looks odd is told above them."""
    if found := look.hints():
        more = f" and {len(found) - 1} more under Hints" if len(found) > 1 else ""
        st.markdown(f":material/lightbulb: **{found[0].message}**{more}")
    blocks: dict[str, Callable[[Look, bool], None]] = {
        "Members": _members,
        "Overlap": _overlap,
        "Near misses": _near_misses,
        "Ahead": _ahead,
        "Hints": _hints,
    }
    drawn = st.tabs(list(blocks), key=f"{look.key}-tabs", on_change="rerun")
    for tab, draw in zip(drawn, blocks.values(), strict=True):
        with tab:
            if tab.open:
                draw(look, tables)


def _overlap(look: Look, tables: bool) -> None:
    every = look.other_members()
    if every is None:
        st.caption("No other audience yet. Save one, and see here how much they share.")
        return
    frame = every.nearest(look.evaluation.mask, OVERLAPS)
    if frame.is_empty():
        st.caption("No other audience shares a member with this one.")
    else:
        columns = {"name": "Audience", "size": "Its members", "both": "In both", "share": "Share", "jaccard": "Overlap"}
        chart = None if tables else charts.overlap_chart(frame, parts.scheme())
        show(chart, frame, tables, columns, "Members shared with other audiences", f"{look.key}-overlap", 184)
        st.caption("Members who are in the other audience too, and which share of these members they are.")
    if every.unknown:
        st.caption(f"Not calculated, because this data refuses them: {', '.join(every.unknown)}.")


def _near_misses(look: Look, tables: bool) -> None:
    def make() -> list[NearMiss]:
        with Progress("Looking who is kept out") as step:
            return near_misses(look.evaluation, progress=step)

    found = look.remembered("near misses", make)
    if not found:
        st.caption("No criterion alone keeps anybody out.")
    elif tables:
        names = {"sentence": "Criterion", "size": "Kept out by it alone", "gap": "Half are nearer than", "unit": "Unit"}
        table(near_misses_frame(found), {**names, "instead": "Instead"})
    else:
        st.html(f'<ul class="rows">{"".join(_near_miss(each, look.letters) for each in found)}</ul>')


def _near_miss(missed: NearMiss, letters: Mapping[str, str]) -> str:
    """Whom one criterion keeps out, and how far they are."""
    parts = []
    alike = len(missed.steps) == 1 and bool(missed.instead)  # everybody lacks one: what they did instead says more
    if missed.steps and missed.unit and not alike:
        short = "too many" if missed.excluded else "short"
        unit = missed.unit.removesuffix("s")
        near = (f"{step:g} {unit}{'' if step == 1 else 's'} {short}: {count:,}" for step, count in missed.steps[:3])
        parts.append(" · ".join(near))
    elif missed.gap is not None and not alike:
        nearest = missed.closest[0]
        parts.append(f"Half are within {_figure(missed.gap)} {missed.unit} of the other answer".replace("  ", " "))
        parts.append(f"Closest: {nearest.mpid}, {_figure(nearest.gap)} {missed.unit} away".replace("  ", " "))
    if missed.instead:
        parts.append(instead_words(missed))
    what = "excluded by" if missed.excluded else "kept out by"
    small = "".join(f"<small>{escape(part)}</small>" for part in parts)
    head = f"<span><b>{missed.size:,}</b> {what} {letters[missed.path]} alone</span>"
    return f'<li title="{escape(missed.sentence)}">{head}{small}</li>'


def _figure(number: float | None) -> str:
    if number is None:
        return "–"
    return f"{number:,.0f}" if number >= 100 else f"{number:,.2g}"


def _ahead(look: Look, tables: bool) -> None:
    found = look.evaluation

    def make() -> History:
        with Progress("Looking at the next 30 days") as step:
            return forecast(look.data, found.audience, now=found.now, audiences=look.named, progress=step)

    history = look.remembered("forecast", make)
    week, month = history.days[6].size, history.days[-1].size
    end, later = look.data.end, ""
    if end is not None and end > found.now:
        later = f" What has arrived since {found.now:%-d %b %Y %H:%M} UTC is left out."
    st.markdown(f"If nothing new arrives, **{week:,}** are members in 7 days and **{month:,}** in 30.{later}")
    frame = history.frame
    columns = {"at": "As of (UTC)", "size": "Members", "adds": "Enter", "drops": "Leave"}
    if tables:
        frame = frame.with_columns(at=frame["at"].dt.strftime("%-d %b %Y %H:%M"))
    chart = None if tables else charts.days_chart(frame, parts.scheme(), expected=True)
    show(chart, frame, tables, columns, f"Members on each of the next 30 days, {month:,} at last",
          f"{look.key}-ahead", 160)  # fmt: skip


def _hints(look: Look, tables: bool) -> None:
    found = look.hints()
    if not found:
        st.caption("Nothing looks odd.")
        return
    rows = "".join(
        f"<li><span>{escape(each.message)}</span><small>{escape(each.way_out)}</small></li>" for each in found
    )
    st.html(f'<ul class="rows">{rows}</ul>')


def _members(look: Look, tables: bool) -> None:
    found = look.evaluation
    if not found.size:
        reach = session.reach_words(look.data)
        st.caption(f"Nobody. Widen a window, or remove a criterion that keeps everybody out. {reach}")
        _ask_why(look, look.masks)
        return
    masks = look.masks or not session.held(f"{look.key}-identities")
    shown = f"{look.key}-members-{crc32(found.audience.canonical.encode()):08x}"
    total = min(found.size, PREVIEWED)
    page = session.page_number(f"{shown}-page", -(-total // SHOWN))
    make = partial(some_members, found, masks=masks, after=SHOWN * (page - 1))
    frame = look.remembered("some members", make, masks, page)
    columns: dict[str, Any] = {
        "identity": st.column_config.TextColumn("Known by", width=172),
        "last_seen": st.column_config.DatetimeColumn("Last seen", format="D MMM HH:mm", timezone="UTC", width=96),
    }
    picked = st.dataframe(
        frame, hide_index=True, height=212, column_order=list(columns), column_config=columns, placeholder="–",
        key=f"{shown}-{page}", on_select="rerun", selection_mode="single-row",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", key=f"{look.key}-members-foot"):
        parts.pager(
            f"{shown}-page",
            page,
            SHOWN,
            total,
            "members" if total == found.size else f"previewed · {found.size:,} members",
        )
    if not look.masks:
        st.toggle("Show identities", key=f"{look.key}-identities")
    rows = picked["selection"]["rows"]
    if rows:
        why.draw(found.explain(int(frame["mpid"][rows[0]])), masks=masks)
    else:
        _ask_why(look, masks)


def _ask_why(look: Look, masks: bool) -> None:
    asked = st.text_input(
        "Why in, why not", key=f"{look.key}-why", placeholder="An mpid or identity; or choose a member above"
    )
    if not asked.strip():
        return
    found = look.evaluation
    matches = look.data.find(asked, now=found.now)
    if not matches:
        st.caption("Nobody is known by that. An identity is found by its exact value.")
        return
    try:
        why.draw(found.explain(matches[0].mpid), masks=masks)
    except CoreError as error:
        st.error(f"**{error.message}** {error.hint}")
