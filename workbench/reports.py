"""Loads as the Data page shows them: asked for, running with progress and cancel, and their reports."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import streamlit as st

from core.registry import Load
from workbench import home, parts, session
from workbench.wizard import Chosen

COLUMNS: Final[Mapping[str, Any]] = {
    "Asked for": st.column_config.DatetimeColumn(format="D MMM YYYY HH:mm", help="UTC"),
    "Files": st.column_config.TextColumn(width="medium"),
    "Into": st.column_config.TextColumn(),
    "State": st.column_config.TextColumn(),
    "Events": st.column_config.NumberColumn(format="localized"),
    "Profiles": st.column_config.NumberColumn(format="localized"),
    "Copies": st.column_config.NumberColumn(format="localized", help="Batches and events that were there already"),
    "Refused": st.column_config.NumberColumn(format="localized"),
    "Took": st.column_config.TextColumn(width="small"),
    "By": st.column_config.TextColumn(width="small"),
}
REFUSALS: Final[Mapping[str, Any]] = {
    "Source": st.column_config.TextColumn(width="medium"),
    "Line": st.column_config.NumberColumn(width="small"),
    "Reason": st.column_config.TextColumn(width="large"),
}
COUNTS: Final = {
    "batches": "batches",
    "events": "events",
    "profiles": "profiles touched",
    "duplicates": "copies, counted once",
    "skipped": "batches of another environment",
    "cut": "values cut to the limits",
}


def request(chosen: Chosen, remember: str | None) -> Load:
    """Ask the worker for a load; with `remember` its mapping is kept under that name."""
    registry, me = session.registry(), session.me()
    if remember is not None and chosen.mapping is not None:
        columns = session.mapping_columns()
        registry.mappings.keep(remember, columns, chosen.mapping, by=me, at=session.clock())
    return registry.loads.request(
        format=chosen.format,  # type: ignore[arg-type]
        sources=[str(file.absolute()) for file in chosen.files],
        workspace=chosen.workspace,
        input=chosen.input,
        kind=chosen.kind,
        mapping=chosen.mapping,
        environment=chosen.environment,
        uploaded=chosen.uploaded,
        by=me,
        at=session.clock(),
    )


def running() -> None:
    """The loads that wait or run, live; nothing where there is none."""
    waiting = [each.id for each in session.registry().loads.list(session.me(), limit=20) if each.open]
    if waiting:
        _follow(waiting)
    asked = session.remembered_load()
    if asked is not None and asked not in waiting:
        told(session.registry().loads.get(asked, session.me()))


def told(each: Load) -> None:
    """How the load that was asked for here has ended."""
    name = f"{parts.plain(files_words(each))} into {each.workspace}/{each.input}"
    if each.state == "cancelled":
        st.info(f"**Cancelled: {name}.** The data is as it was before.")
        return
    if each.report is None:
        st.error(f"**{state_words(each)}: {name}.** {parts.plain(reason(each))} The data is as it was before.")
        return
    counted = ", ".join(f"{count:,} {label}" for label, count in counts(each) if count)
    refused = len(each.report["refusals"])
    if refused:
        st.warning(f"**{name}: {refused:,} refused.** Loaded were {counted or 'none'}. Past loads has every reason.")
    else:
        st.success(f"**{name} is loaded:** {counted or 'nothing new'}.")


@st.fragment(run_every="1s")
def _follow(ids: list[int]) -> None:
    """Progress and cancel of some loads, until the first of them ends."""
    registry, me = session.registry(), session.me()
    found = [registry.loads.get(each, me) for each in ids]
    if any(not each.open for each in found):
        st.rerun()
    for each in reversed(found):
        with st.container(horizontal=True, vertical_alignment="center", key=f"running-{each.id}"):
            st.progress(
                each.progress or 0.0, f"{state_words(each)}: {files_words(each)} into {each.workspace}/{each.input}"
            )
            if st.button("Cancel", key=f"cancel-{each.id}", disabled=each.cancelling or not me.may("admin")):
                home.forget_uploads(registry.loads.cancel(each.id, by=me, at=session.clock()))


def reason(each: Load) -> str:
    """Why a load failed. A file that was uploaded is called what its owner calls it, not where it was kept."""
    text = each.error or ""
    for source in each.sources if each.uploaded else ():
        text = text.replace(source, Path(source).name)
    return text


def files_words(each: Load) -> str:
    """Which files."""
    name = Path(each.sources[0]).name
    return name if len(each.sources) == 1 else f"{name} and {len(each.sources) - 1:,} more"


def state_words(each: Load) -> str:
    """How it stands, in words."""
    if each.cancelling and each.open:
        return "Stopping"
    if each.state == "running":
        return "Loading" if each.progress is None else f"Loading {100 * each.progress:.0f} %"
    said = {"queued": "Waiting for the worker", "done": "Loaded"}
    return said.get(each.state, each.state.capitalize())


def row(each: Load, now: datetime) -> dict[str, Any]:
    """A load as a row."""
    report = each.report or {}
    took = (each.finished_at - each.started_at).total_seconds() if each.started_at and each.finished_at else None
    return {
        "Asked for": each.requested_at,
        "Files": files_words(each),
        "Into": f"{each.workspace}/{each.input}",
        "State": state_words(each),
        "Events": report.get("events"),
        "Profiles": report.get("profiles"),
        "Copies": report.get("duplicates"),
        "Refused": len(report["refusals"]) if report else None,
        "Took": "" if took is None else f"{took:.1f} s",
        "By": each.requested_by,
    }


def counts(each: Load) -> list[tuple[str, int]]:
    """What a load counted."""
    return [(label, each.report[key]) for key, label in COUNTS.items()] if each.report else []


def refusals(each: Load) -> list[dict[str, Any]]:
    """Everything that a load refused."""
    found = each.report["refusals"] if each.report else []
    return [{"Source": Path(one["source"]).name, "Line": one["line"], "Reason": one["reason"]} for one in found]


def csv_of(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
