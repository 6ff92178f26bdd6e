"""Tables and small charts of the pages: what their columns are, and what a row of the core becomes in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import streamlit as st

from core.criteria.template import plain_words as words
from core.entries import Entry
from core.profile import masked
from core.uses import User

Row = dict[str, Any]
Columns = Mapping[str, Any]

NUMBER: Final = st.column_config.NumberColumn(format="localized")

CATALOG: Final[Columns] = {
    "Name": st.column_config.TextColumn(pinned=True, width=190),
    "Records": NUMBER,
    "People": NUMBER,
    "Filled": st.column_config.NumberColumn(
        format="percent",
        help="Of people, those that ever had it; of events or products, those that carry the attribute",
    ),
    "30 days": st.column_config.LineChartColumn(width=110, y_min=0, help="Records a UTC day"),
    "Of": st.column_config.TextColumn(width="small", help="The event that an attribute belongs to"),
    "Kind": st.column_config.TextColumn(width="small"),
    "Workspace": st.column_config.TextColumn(width=110),
    "Type": st.column_config.TextColumn(width="small", help="What all of its values read as, or a type that is forced"),
    "Values": st.column_config.TextColumn(width="medium", help="The most frequent ones"),
    "Used by": st.column_config.TextColumn(width="medium"),
    "Tier": st.column_config.TextColumn(width=100),
    "Last": st.column_config.DatetimeColumn(format="D MMM HH:mm", help="UTC"),
}


def plural(kind: str) -> str:
    """A kind of entry as the name of many."""
    text = words(kind)
    return (text if text.endswith("s") else f"{text[:-1]}ies" if text.endswith("y") else f"{text}s").capitalize()


def full_name(entry: Entry) -> str:
    """An entry's name; one without is called by its kind."""
    return entry.name if entry.name is not None else words(entry.kind).capitalize()


def event_name(event: tuple[str, str | None] | None) -> str:
    """The event that an attribute belongs to."""
    return "" if event is None else event[1] or words(event[0]).capitalize()


def texts(entry: Entry) -> tuple[str, ...]:
    """What a search looks at."""
    return (full_name(entry), event_name(entry.event), *(() if entry.kind == "identity" else entry.samples))


def catalog_row(entry: Entry, users: Sequence[User], masks: bool) -> Row:
    """An entry as a row."""
    forced = sorted({each.forced for each in users if each.forced})
    samples = [masked(each) for each in entry.samples] if masks and entry.kind == "identity" else entry.samples
    return {
        "Name": full_name(entry),
        "Of": event_name(entry.event),
        "Kind": words(entry.kind).capitalize(),
        "Workspace": entry.workspace,
        "30 days": list(entry.days),
        "Records": entry.records,
        "People": entry.profiles,
        "Filled": entry.filled,
        "Type": f"{entry.data_type}, {'/'.join(forced)} forced"
        if forced and entry.data_type
        else entry.data_type or "",
        "Values": ", ".join(samples),
        "Used by": users_words(users),
        "Tier": entry.tier.capitalize() if entry.tier else "",
        "Last": entry.last,
    }


def users_words(users: Sequence[User]) -> str:
    """Who uses an entry, in a cell."""
    if len(users) <= 1:
        return users[0].owner if users else ""
    return f"{len(users)}: {', '.join(each.owner for each in users)}"


def chosen_row(rows: Sequence[Row], columns: Columns, *, key: str, height: int = 440) -> int | None:
    """A table of rows of which one can be chosen; the number of the chosen one."""
    order = [name for name in columns if any(row.get(name) not in (None, "", []) for row in rows)]
    state = st.dataframe(
        list(rows), column_config=dict(columns), column_order=order, hide_index=True, key=key, on_select="rerun",
        selection_mode="single-row", row_height=40, height=min(height, 38 + 40 * len(rows)), placeholder="–",
    )  # fmt: skip
    picked = state["selection"]["rows"]
    return picked[0] if picked and picked[0] < len(rows) else None
