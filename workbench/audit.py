"""The audit log: who changed what and when, newest first, a page at a time."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from core.registry import AuditEntry
from workbench import parts, session

PAGE: Final = 50
READ: Final = 5000
"""How far back the log is looked through."""
COLUMNS: Final = {
    "When": st.column_config.DatetimeColumn(format="D MMM YYYY HH:mm:ss", width=170, help="UTC"),
    "Who": st.column_config.TextColumn(width=130),
    "Did": st.column_config.TextColumn(width=110),
    "What": st.column_config.TextColumn(width=150),
    "Name": st.column_config.TextColumn(width=260),
    "Details": st.column_config.TextColumn(width="large"),
}


def draw() -> None:
    """Filters, a page of the log, and where it stands."""
    found = session.registry().audit.list(session.me(), limit=READ)
    if not found:
        parts.empty("Nothing was changed yet", "Every change of audiences, data and people appears here.")
        return
    with st.container(horizontal=True, key="filters-audit", vertical_alignment="center"):
        wanted = st.text_input(
            "Search", key="audit-search", placeholder="Search name, person or detail", label_visibility="collapsed",
            icon=":material/search:", width=280, live="250ms",
        )  # fmt: skip
        kinds = sorted({each.subject_kind for each in found})
        kind = st.pills("Kind", kinds, key="audit-kind", label_visibility="collapsed", format_func=str.capitalize)
    rows = [row(each) for each in found if kind in (None, each.subject_kind)]
    needle = wanted.strip().casefold()
    rows = [each for each in rows if not needle or any(needle in str(cell).casefold() for cell in each.values())]
    if not rows:
        parts.empty("No change fits", "Search for less, or choose another kind.")
        return
    key = f"audit-page-{kind}-{needle}"
    at = session.page_number(key, -(-len(rows) // PAGE))
    shown = rows[(at - 1) * PAGE : at * PAGE]
    height = 38 + 35 * min(len(shown), 14)
    st.dataframe(shown, column_config=COLUMNS, hide_index=True, key=f"table-{key}-{at}", height=height)
    parts.pager(key, at, PAGE, len(rows), "changes")


def row(each: AuditEntry) -> dict[str, Any]:
    """One change as a row."""
    details = {key.replace("_", " "): value for key, value in each.details.items() if value not in (None, [])}
    told = (f"{key}: {_said(value)}" for key, value in details.items())
    return {
        "When": each.at,
        "Who": each.person,
        "Did": each.action,
        "What": each.subject_kind,
        "Name": each.subject,
        "Details": " · ".join(told),
    }


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
