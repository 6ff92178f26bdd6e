"""The list of audiences: its tiles, what a row shows, and which rows a search leaves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import streamlit as st

from core import CoreError
from core.registry import AudienceSummary, Status
from workbench import parts, session

Row = dict[str, Any]
NONE: Final = "–"
STATUS_COLOURS: Final = {
    "Active": "green",
    "Calculating": "blue",
    "Draft": "gray",
    "Paused": "gray",
    "Error": "red",
}
ACCESS_WORDS: Final = {"private": "Private", "view_only": "View only", "usable": "Usable"}
LEGEND: Final = (
    "≈ estimate until calculated", "~ too few in the sample to estimate", "⚠ no size, the reason beside it",
    "– no value: not calculated, or an empty audience has no volatility",
)  # fmt: skip


def columns(rows: Sequence[Row]) -> Mapping[str, Any]:
    """The columns of the table."""
    statuses = sorted({each for row in rows for each in row["Status"]})
    colours = [STATUS_COLOURS[each.split()[0]] for each in statuses]
    found = {
        "Name": st.column_config.TextColumn(pinned=True, width=280),
        "Status": st.column_config.MultiselectColumn(options=statuses, color=colours, width=115),
        " ": st.column_config.TextColumn(width=30, help="≈ estimate, ~ too few to estimate, ⚠ no size"),
        "Size": st.column_config.NumberColumn(format="localized", width=70),
        "30 days": st.column_config.LineChartColumn("Size, 30 days", width=100),
        "Adds 24 h": st.column_config.NumberColumn(format="localized", width=78),
        "Drops 24 h": st.column_config.NumberColumn(format="localized", width=84),
        "Volatility": st.column_config.NumberColumn(
            format=f"%.1f{parts.NARROW}%%", width=76, help="(adds + drops) / size, in the last 24 hours"
        ),
        "Tags": st.column_config.MultiselectColumn(color="gray", width=150),
        "Updated": st.column_config.DatetimeColumn(format="D MMM HH:mm", help="UTC", width=98),
        "By": st.column_config.TextColumn(width=86, help="Created by"),
        "Access": st.column_config.TextColumn(width=78, help="What other accounts may do"),
        "Account": st.column_config.TextColumn(width=100),
        "Workspaces": st.column_config.TextColumn(width=140),
        "Note": st.column_config.TextColumn(width=260),
    }
    sometimes = ("Account", "Workspaces", "Note")
    return {name: each for name, each in found.items() if name not in sometimes or any(row[name] for row in rows)}


def row(each: AudienceSummary, shared: bool) -> Row:
    """An audience as a row; what has no value is None."""
    counted = each.calculated_at is not None
    return {
        "Name": each.name,
        "Status": [status_words(each)],
        " ": mark(each),
        "Size": each.size.count,
        "30 days": list(each.sparkline) if len(each.sparkline) > 1 else None,
        "Adds 24 h": each.adds_24h if counted else None,
        "Drops 24 h": each.drops_24h if counted else None,
        "Volatility": 100 * each.volatility_24h if counted and each.volatility_24h is not None else None,
        "Tags": list(each.tags),
        "Updated": each.updated_at,
        "By": each.created_by,
        "Access": ACCESS_WORDS[each.access],
        "Account": each.account.name if shared else "",
        "Workspaces": ", ".join(each.workspaces) if len(each.workspaces) > 1 else "",
        "Note": each.error or each.size.reason or "",
    }


def mark(each: AudienceSummary) -> str:
    """The sign before a size."""
    if each.status == "error" or each.size.symbol == "error":
        return "⚠"
    if each.size.symbol == "~":
        return "~"
    return "≈" if each.size.estimated and each.size.count is not None else ""


def status_words(each: AudienceSummary) -> str:
    """The status, with the progress while it is calculated."""
    if each.status == "calculating" and each.progress:
        return f"Calculating {100 * each.progress:.0f} %"
    return each.status.capitalize()


def fits(each: AudienceSummary, wanted: str, status: Status | None, tags: Collection[str]) -> bool:
    """Whether a search, a status and tags (all of them) leave it."""
    text = wanted.casefold().strip()
    return (
        (status is None or each.status == status)
        and {tag.casefold() for tag in tags} <= {tag.casefold() for tag in each.tags}
        and any(text in part.casefold() for part in (each.name, each.id, *each.tags))
    )


def faults(found: Sequence[AudienceSummary]) -> None:
    """Why some audiences have no size or could not be calculated: the first three with their reasons."""
    reasons = [(each.name, reason) for each in found if (reason := each.error or each.size.reason)]
    lines = [f"**{parts.plain(name)}:** {parts.plain(reason)}" for name, reason in reasons[:3]]
    if len(reasons) > 3:
        lines.append(f"and {len(reasons) - 3:,} more: the column Note has every reason.")
    if lines:
        st.error("  \n".join(lines), icon=":material/error:")


def tiles(found: Sequence[AudienceSummary]) -> None:
    """Four figures over the audiences of a tab."""
    active = [each for each in found if each.status in ("active", "calculating")]
    adds, drops = sum(each.adds_24h for each in found), sum(each.drops_24h for each in found)
    try:
        reached, universe = session.reached(active)
        people, share = f"{reached:,}", f"{parts.share(reached / universe)} of all profiles" if universe else ""
    except CoreError as error:  # a damaged file of members must not hide the list
        people, share = "–", error.message
    with st.container(horizontal=True, key="tiles"):
        parts.tile("Active audiences", f"{len(active):,}", f"of {len(found):,}")
        parts.tile("People reached", people, share)
        parts.tile("Adds, 24 h", f"{adds:,}", f"{adds + drops:,} changes in all" if adds + drops else "no changes")
        most = max(found, key=lambda each: each.drops_24h, default=None)
        told = f"{most.drops_24h:,} from {most.name}" if most and most.drops_24h else "no drops"
        parts.tile("Drops, 24 h", f"{drops:,}", told)


def state(found: Sequence[AudienceSummary]) -> int:
    """A number that changes with the status, progress and size of any audience."""
    return hash(tuple((each.id, each.status, each.progress, each.size.count) for each in found))


def tags(found: Sequence[AudienceSummary]) -> list[str]:
    """Every tag of some audiences once, whatever its case, in the order of the alphabet."""
    known = {tag.casefold(): tag for each in found for tag in each.tags}
    return [known[folded] for folded in sorted(known)]
