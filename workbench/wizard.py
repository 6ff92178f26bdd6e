"""The wizard that loads files: where they are, what they are, where they go, and what a table's columns are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import streamlit as st

from core import CoreError, Dataset
from core.data.guess import Preview, guess_mapping, preview
from core.data.mapping import ECOMMERCE_NAMES, NAMELESS, Mapping
from core.data.schema import IDENTITY_TYPES
from workbench import mapping as mappings
from workbench import parts, session
from workbench.loads import UnknownFormat, sources

TABLES: Final = ("csv", "parquet", "arrow")
FORMAT_WORDS: Final = {
    "mparticle": "mParticle batches (JSON)",
    "segment": "Segment messages (JSON)",
    "csv": "CSV table",
    "parquet": "Parquet table",
    "arrow": "Arrow table",
}
UNITS: Final = {"iso": "ISO date and time", "s": "seconds", "ms": "milliseconds", "us": "microseconds"}
SHOWN_COLUMNS: Final = 60


@dataclass(frozen=True)
class Chosen:
    """What is to be loaded, and into which input."""

    files: list[Path]
    format: str
    uploaded: bool
    workspace: str
    input: str
    kind: str
    environment: str
    mapping: dict[str, Any] | None


def choose(data: Dataset | None) -> Chosen | None:
    """The whole wizard; None while something is missing, which it then says."""
    files, form, uploaded = _files()
    if not files:
        return None
    st.subheader("Where it goes", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", key="into"):
        spaces = list(data.workspaces) if data else []
        workspace = st.selectbox(
            "Workspace", spaces, index=0 if spaces else None, key="load-workspace", accept_new_options=True,
            placeholder="Choose, or type a new one",
        )  # fmt: skip
        known = data.workspaces[workspace].inputs if data and workspace in spaces else {}
        target = st.selectbox(
            "Input", list(known), index=0 if known else None, key=f"load-input-{workspace}", accept_new_options=True,
            placeholder="Choose, or type a new one",
        )  # fmt: skip
        kinds, was = ("platform", "feed"), known.get(target or "", "platform")
        kind = st.segmented_control(
            "Kind", kinds, default=was, required=True, key=f"load-kind-{workspace}-{target}",
            disabled=target in known, format_func=str.capitalize,
            help="A platform is an app or site; a feed comes from servers and partners.",
        )  # fmt: skip
        environment = "production"
        if form == "mparticle":
            options = ("production", "development", "all")
            environment = st.selectbox("Environment", options, key="load-environment", format_func=str.capitalize)
    document = _mapping(files[0]) if form in TABLES else None
    if form in TABLES and document is None:
        return None
    if not workspace or not target:
        st.caption("Choose a workspace and an input to load into.")
        return None
    return Chosen(files, form, uploaded, workspace, target, str(kind), environment, document)


def _files() -> tuple[list[Path], str, bool]:
    """The files that were uploaded or named, and their format; none while there is something to do."""
    way = st.segmented_control(
        "Files", ["Upload", "Path"], default="Upload", required=True, key="load-way", label_visibility="collapsed"
    )
    if way == "Upload":
        given = st.file_uploader(
            "Files to upload", accept_multiple_files=True, key=f"load-upload-{session.upload_round()}",
            help="JSON, JSON lines, CSV, Parquet, Arrow; plain, gz or zst. Up to 200 MB each: name a path for more.",
        )  # fmt: skip
        texts = [str(path) for path in session.uploaded(given)]
    else:
        text = st.text_input(
            "File, folder or pattern on this machine",
            key=f"load-path-{session.upload_round()}",
            placeholder="/data/batches/*.jsonl.gz",
        )
        texts = [text.strip()] if text and text.strip() else []
    if not texts:
        return [], "", False
    try:
        form, files = sources(texts, None)
    except UnknownFormat:
        said = st.selectbox(
            "The names of the files tell no one format. They are", list(FORMAT_WORDS), index=None, key="load-said",
            format_func=FORMAT_WORDS.__getitem__, placeholder="Choose a format",
        )  # fmt: skip
        if said is None:
            return [], "", False
        form, files = sources(texts, said)
    except CoreError as error:
        parts.failed(error)
        return [], "", False
    else:
        if form == "mparticle":
            form = st.segmented_control(
                "Format", ["mparticle", "segment"], default="mparticle", required=True, key="load-json",
                format_func=FORMAT_WORDS.__getitem__,
            )  # fmt: skip
    size = parts.bytes_words(sum(path.stat().st_size for path in files))
    st.caption(f"{len(files):,} {'file' if len(files) == 1 else 'files'}, {size} · {FORMAT_WORDS[str(form)]}")
    return files, str(form), way == "Upload"


def _mapping(file: Path) -> dict[str, Any] | None:
    """The mapping of a table, edited beside what it makes of the first rows; None while it is contradictory."""
    held = session.mapping_of(file, lambda: _remembered_or_guessed(file))
    problem: CoreError | None = None
    shown = Preview({}, None, [], {}, {})  # type: ignore[arg-type]
    try:
        shown = preview(file, Mapping.from_dict(held.document))
    except CoreError as error:
        problem = error
    left, right = st.columns([5, 5], gap="large")
    with left:
        st.subheader("What each column is", anchor=False)
        st.caption(held.origin)
        edited = _Form(held, shown).draw()
    if edited != held.document:
        held.change(edited)
        st.rerun()
    with right, st.container(key="panel-entry-preview"):
        _show(shown, problem, held.document)
    return None if problem is not None else held.document


def _remembered_or_guessed(file: Path) -> tuple[dict[str, str], dict[str, Any], str]:
    """The columns of a table with a sample of each, a mapping to begin with, and where it comes from."""
    guessed = guess_mapping(file)
    shown = preview(file, guessed)
    known = {column: shown.samples.get(column, "") for column in shown.columns}
    remembered = session.registry().mappings.for_columns(list(known), session.me())
    if remembered is None:
        return known, guessed.to_dict(), "Guessed from the names and the first rows: look it through."
    return known, remembered.document, f"Remembered from “{remembered.name}”, which had the same columns."


def _show(shown: Preview, problem: CoreError | None, document: dict[str, Any]) -> None:
    """What the mapping makes of the first rows, and which of them it refuses."""
    rows = "events" if document.get("rows") == "events" else "profiles"
    st.markdown(f"**The first rows as {rows}**")
    if problem is not None:
        for line in problem.message.splitlines():
            st.error(line.removeprefix("mapping: "))
        return
    st.dataframe(shown.rows, hide_index=True, key="preview-rows", height=38 + 35 * max(1, min(len(shown.rows), 10)))
    if not shown.refused:
        st.caption("None of the first 10,000 rows is refused.")
        return
    st.markdown(f"**{len(shown.refused)}{'+' if len(shown.refused) == 20 else ''} of the first rows are refused**")
    refused = [{"Line": each.line, "Reason": each.reason} for each in shown.refused]
    st.dataframe(
        refused,
        hide_index=True,
        key="preview-refused",
        column_config={"Reason": st.column_config.TextColumn(width="large")},
    )


class _Form:
    """The controls of a mapping. Each gives the document that it would become."""

    def __init__(self, held: session.HeldMapping, shown: Preview) -> None:
        self.document, self.columns, self.samples, self.shown = held.document, list(held.samples), held.samples, shown
        self.key = f"map-{held.key}-{held.revision}"

    def draw(self) -> dict[str, Any]:
        """All of them; the edited mapping."""
        document = self._rows(self.document)
        if document is not self.document:
            return document
        with st.container(height=min(420, 8 + 56 * len(self.columns)), border=False, key="mapping-columns"):
            for column in self.columns[:SHOWN_COLUMNS]:
                document = self._column(document, column)
        if len(self.columns) > SHOWN_COLUMNS:
            st.caption(f"{len(self.columns) - SHOWN_COLUMNS:,} more columns: see the mapping as JSON.")
        document = self._time(self._user(document))
        if document["rows"] == "events":
            document = self._kinds(self._event(document))
        return self._json(self._layout(document))

    def _rows(self, document: dict[str, Any]) -> dict[str, Any]:
        was = document.get("rows", "events")
        rows = st.segmented_control(
            "Each row is", ["events", "profiles"], default=was, required=True, key=f"{self.key}-rows",
            format_func={"events": "an event", "profiles": "a profile"}.__getitem__,
        )  # fmt: skip
        return document if rows == was else mappings.as_rows(document, self.columns, str(rows))

    def _column(self, document: dict[str, Any], column: str) -> dict[str, Any]:
        was = mappings.target_of(document, column)
        options = mappings.targets(document.get("rows", "events"))
        options = options if was in options else [*options, was]
        name, choice = st.columns([4, 5], vertical_alignment="center")
        sample = self.samples[column]
        name.markdown(f"{parts.plain(column)}  \n:gray[:small[{parts.plain(sample[:40]) or 'empty'}]]")
        target = choice.selectbox(
            column, options, index=options.index(was), key=f"{self.key}-column-{column}", format_func=mappings.words,
            label_visibility="collapsed", filter_mode="contains",
        )  # fmt: skip
        return document if target == was else mappings.with_target(document, self.columns, column, str(target))

    def _user(self, document: dict[str, Any]) -> dict[str, Any]:
        user = document.get("user", {})
        was = "mpid" if user.get("as") == "mpid" else user.get("identity_type") or "customer_id"
        options = list(dict.fromkeys(["mpid", *IDENTITY_TYPES, was]))
        chosen = st.selectbox(
            "The user column holds", options, index=options.index(was), key=f"{self.key}-user",
            format_func=lambda each: each.replace("_", " "), accept_new_options=True,
        )  # fmt: skip
        named = {"column": user["column"]} if "column" in user else {}
        given = {"as": "mpid"} if chosen == "mpid" else {"identity_type": chosen}
        return {**document, "user": {**named, **given}}

    def _time(self, document: dict[str, Any]) -> dict[str, Any]:
        time = document.get("time")
        if not time:
            return document
        with st.container(horizontal=True, vertical_alignment="bottom", key=f"{self.key}-times"):
            units, was = list(UNITS), time.get("unit", "iso")
            unit = st.selectbox(
                "Time is in", units, index=units.index(was), key=f"{self.key}-unit", format_func=UNITS.__getitem__
            )
            zone = time.get("timezone", "UTC")
            if unit == "iso":
                zone = st.text_input("Time zone where none is given", zone, key=f"{self.key}-zone") or "UTC"
        changed = {**time, "unit": unit, "timezone": zone}
        same = (was, time.get("timezone", "UTC")) == (unit, zone)
        return document if same else {**document, "time": changed}

    def _event(self, document: dict[str, Any]) -> dict[str, Any]:
        event = document.get("event") or {}
        if "column" in event:
            return document
        name = st.text_input("Every row is the event", event.get("value", ""), key=f"{self.key}-event")
        return {**document, "event": {"value": name}} if name else {k: v for k, v in document.items() if k != "event"}

    def _kinds(self, document: dict[str, Any]) -> dict[str, Any]:
        """What each event name means."""
        kinds, default = dict(document.get("kinds", {})), document.get("default_kind", "custom")
        names = list(dict.fromkeys([*self.shown.events, *kinds]))
        with st.expander("What the event names mean", expanded=False):
            chosen = st.selectbox(
                "Events that are not named below are", mappings.KINDS, index=mappings.KINDS.index(default),
                key=f"{self.key}-default", format_func=_kind_words,
            )  # fmt: skip
            for name in names:
                kinds |= self._kind(name, kinds.get(name))
                if kinds.get(name) is None:
                    kinds.pop(name, None)
        changed = {key: value for key, value in document.items() if key not in ("kinds", "default_kind")}
        changed |= {"kinds": kinds} if kinds else {}
        if chosen != default or "default_kind" in document:
            changed["default_kind"] = chosen
        return changed

    def _kind(self, name: str, meaning: dict[str, Any] | None) -> dict[str, Any]:
        options = ["", *mappings.KINDS]
        was = meaning["kind"] if meaning else ""
        label, kind_at, name_at = st.columns([3, 3, 3], vertical_alignment="center")
        count = self.shown.events.get(name, 0)
        label.markdown(f"{parts.plain(name)}  \n:gray[:small[{count:,} of the first rows]]")
        kind = kind_at.selectbox(
            f"Kind of {name}", options, index=options.index(was), key=f"{self.key}-kind-{name}",
            format_func=lambda each: _kind_words(each) if each else "as above", label_visibility="collapsed",
        )  # fmt: skip
        if not kind:
            return {name: None}
        kept = meaning if meaning and kind == was else {"kind": kind}
        if kind == "ecommerce":
            said = kept.get("name", name)
            known = list(ECOMMERCE_NAMES)
            action = name_at.selectbox(
                f"Action of {name}", known, index=known.index(said) if said in known else None,
                key=f"{self.key}-action-{name}", label_visibility="collapsed", placeholder="which action",
            )  # fmt: skip
            return {name: {**kept, "name": action} if action else kept}
        if kind not in NAMELESS:
            said = kept.get("name", name)
            given = name_at.text_input(
                f"Name of {name}", said, key=f"{self.key}-name-{name}", label_visibility="collapsed"
            )
            return {
                name: {**kept, "name": given}
                if given and given != name
                else {k: v for k, v in kept.items() if k != "name"}
            }
        return {name: kept}

    def _layout(self, document: dict[str, Any]) -> dict[str, Any]:
        """How the text is read; tables of other forms say it themselves."""
        if "delimiter" not in document and "nulls" not in document:
            return document
        with st.expander("How the text is read", expanded=False):
            options, was = list(mappings.DELIMITERS), document.get("delimiter", ",")
            options = options if was in options else [*options, was]
            delimiter = st.selectbox(
                "Columns are separated by", options, index=options.index(was), key=f"{self.key}-delimiter",
                format_func=lambda each: mappings.DELIMITERS.get(each, each),
            )  # fmt: skip
            kept = list(document.get("nulls", ()))
            known = list(dict.fromkeys(["", "NULL", "null", "NA", "N/A", "\\N", "-", *kept]))
            nulls = st.multiselect(
                "Texts that mean no value", known, default=kept, key=f"{self.key}-nulls", accept_new_options=True,
                format_func=lambda each: each or "(empty)",
            )  # fmt: skip
        same = (delimiter, nulls) == (was, kept)
        return document if same else {**document, "delimiter": delimiter, "nulls": nulls}

    def _json(self, document: dict[str, Any]) -> dict[str, Any]:
        with st.expander("The mapping as JSON", expanded=False):
            shown = json.dumps(document, indent=2, ensure_ascii=False)
            text = st.text_area("Mapping", shown, height=300, key=f"{self.key}-json", label_visibility="collapsed")
            if st.button("Apply", key=f"{self.key}-apply") and text != shown:
                try:
                    return Mapping.from_dict(json.loads(text)).to_dict()
                except json.JSONDecodeError as error:
                    st.error(f"That is no JSON: {error.msg} in line {error.lineno}.")
                except CoreError as error:
                    parts.failed(error)
        return document


def _kind_words(kind: str) -> str:
    return kind.replace("_", " ").capitalize()
