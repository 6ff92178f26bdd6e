"""The download of chosen audiences as one ZIP: what it is to hold, and the archive, written while the form waits."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core import Dataset
from core.archive import Download, write_archive
from workbench import session


def form(data: Dataset, ids: Sequence[str], filled: bool = False) -> None:
    """Ask for the identities that a ZIP with one CSV an audience is to hold, write it, and hand it over.

    `filled`: its button is the filled one of where it stands.
    """
    types = identity_types(data)
    picked = st.multiselect(
        "Identity types", types, key="download-types", format_func=lambda each: each.replace("_", " "),
        placeholder="Choose at least one",
    )  # fmt: skip
    neutral = st.checkbox("Neutralise values that a spreadsheet would run as a formula", key="download-neutral")
    if not picked:
        return
    if st.button("Prepare", type="primary" if filled else "secondary", key="download-prepare"):
        with st.spinner("Writing the archive"):
            prepare(data, ids, picked, neutral)
    ready = prepared(ids, picked, neutral)
    if ready is not None:
        name, content, words = ready
        st.caption(words)
        st.download_button(
            "Save the ZIP", content, name, "application/zip", on_click="ignore", icon=":material/download:"
        )


def identity_types(data: Dataset) -> list[str]:
    """Every identity type that can be asked for, those that the data holds most of first."""
    entries = session.catalog_entries(data, session.moment(data))
    held = {entry.name: entry.records for entry in entries if entry.kind == "identity"}
    return sorted(data.identity_types(), key=lambda name: -held.get(name, 0))


def prepare(data: Dataset, ids: Sequence[str], types: Sequence[str], neutral: bool) -> None:
    """Write the archive of some audiences as of now, ready for `prepared`."""
    registry, me, now = session.registry(), session.me(), session.moment(data)
    parts = []
    for audience_id in ids:
        audience = registry.audiences.get(audience_id, me).definition_in_force
        others = registry.audiences.named_by(audience, me)
        parts.append(Download(audience_id, data.evaluate(audience, now=now, audiences=others)))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "archive.zip"
        manifest = write_archive(
            path,
            parts,
            identity_types=types,
            archive_id=str(uuid.uuid4()),
            generated=session.clock(),
            neutralise_formulas=neutral,
        )
        content = path.read_bytes()
    users = sum(each.total_users for each in manifest.files)
    words = f"{manifest.total_rows:,} rows of {users:,} members that have one of these identities."
    session.keep_download(_asked(ids, types, neutral), manifest.archive_name, content, words)


def prepared(ids: Sequence[str], types: Sequence[str], neutral: bool) -> tuple[str, bytes, str] | None:
    """Name, content and words of the archive that was written for exactly this; None where none was."""
    return session.kept_download(_asked(ids, types, neutral))


def _asked(ids: Sequence[str], types: Sequence[str], neutral: bool) -> object:
    return tuple(ids), tuple(types), neutral
