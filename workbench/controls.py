"""One control for each way of writing a value. Every control shows what the document holds, never more."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, time
from typing import Any

import streamlit as st

from core.data.distinct import Distinct
from core.suggest import LIMIT, Suggestion
from workbench import session

Edit = Callable[[Any], None]
"""Takes a control's value as typed or chosen."""

SIGNS = {"string": "T", "number": "#", "boolean": "✓", "date": "◷", "list": "☰", "version": "v"}
TYPE_WORDS = {
    "string": "text",
    "number": "number",
    "boolean": "true / false",
    "date": "date",
    "list": "list",
    "version": "version",
}
WIDE, NARROW = 220, 58
"""Pixels of a control that holds a name or a value, and of one that holds a number."""


def text(label: str, value: Any, key: str, edit: Edit, placeholder: str = "", width: int = WIDE) -> None:
    """A line of free text."""
    shown = session.put(key, "" if value is None else str(value))
    st.text_input(
        label,
        shown,
        key=key,
        placeholder=placeholder,
        label_visibility="collapsed",
        width=width,
        on_change=lambda: edit(session.shown(key)),
    )


def number(label: str, value: Any, key: str, edit: Edit, help: str | None = None) -> None:
    """A number as typed; what is none stays as text, so that its mistake can be shown beside it."""
    shown = session.put(key, "" if value is None else str(value))
    hint = label if len(label) > 6 else "0"
    st.text_input(
        label,
        shown,
        key=key,
        label_visibility="collapsed",
        width=min(max(NARROW, 32 + 9 * len(str(value or hint))), WIDE),
        help=help,
        placeholder=hint,
        on_change=lambda: edit(read_number(session.shown(key))),
    )


def read_number(typed: str) -> int | float | str | None:
    """The number of a text; the text itself where it is none, None where it is empty."""
    typed = typed.strip()
    for kind in (int, float):
        try:
            return kind(typed.replace(",", "") if kind is int else typed)
        except ValueError:
            continue
    return typed or None


INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2})(?::00(?:\.0+)?)?Z)?")
"""What a picker can show: a UTC date, and a time of full minutes."""


def moment(label: str, value: Any, key: str, edit: Edit, times: bool) -> None:
    """A UTC date; with `times` a time of day, too, which may be left out. What pickers cannot show stays a text."""
    day, at = _picked_moment(value)
    if value and day is None:
        text(label, value, key, edit, "2026-11-25", WIDE)
        return
    day_key, time_key = f"{key}-day", f"{key}-time"

    def take() -> None:
        chosen: date | None = session.shown(day_key)
        clock: time | None = session.shown(time_key) if times else None
        if chosen is None:
            edit(None)
        else:
            edit(chosen.isoformat() if clock is None else f"{chosen.isoformat()}T{clock:%H:%M}:00Z")

    st.date_input(
        f"{label}, day (UTC)", session.put(day_key, day), key=day_key, on_change=take, format="YYYY-MM-DD",
        min_value=date.min, max_value=date.max, label_visibility="collapsed", width=136,
    )  # fmt: skip
    if times:
        st.time_input(
            f"{label}, time (UTC)", session.put(time_key, at), key=time_key, on_change=take, step=60,
            label_visibility="collapsed", width=104, disabled=day is None,
        )  # fmt: skip


def _picked_moment(value: Any) -> tuple[date | None, time | None]:
    """The day and the time of a text that a picker can show."""
    found = INSTANT.fullmatch(str(value or ""))
    if found is None:
        return None, None
    try:
        return date.fromisoformat(found[1]), time.fromisoformat(found[2]) if found[2] else None
    except ValueError:
        return None, None


def pair(label: str, value: Any, key: str, edit: Edit, read: Callable[[str], Any]) -> None:
    """Two values, low and high."""
    low, high = value if isinstance(value, list | tuple) and len(value) == 2 else (value, None)
    number(f"{label}, low", low, f"{key}-low", lambda typed: edit([typed if read is read_number else str(typed), high]))
    st.markdown("and", width="content")
    number(
        f"{label}, high", high, f"{key}-high", lambda typed: edit([low, typed if read is read_number else str(typed)])
    )


def choice(
    label: str,
    options: Sequence[Any],
    value: Any,
    key: str,
    edit: Edit,
    words: Callable[[Any], str],
    placeholder: str | None = None,
    width: int | None = None,
) -> None:
    """One of some options; with a placeholder none of them can be chosen too."""
    shown = list(options) if value is None or value in options else [value, *options]
    if placeholder is None and value is None and shown:
        value = shown[0]
    said = placeholder if value is None else words(value)
    session.put(key, value)
    st.selectbox(
        label,
        shown,
        index=None if value is None else shown.index(value),
        key=key,
        format_func=words,
        placeholder=placeholder or "Choose",
        label_visibility="collapsed",
        width=width or min(max(88, 60 + round(6.6 * len(said or "Choose"))), WIDE),
        on_change=lambda: edit(session.shown(key)),
        required=placeholder is None,
        filter_mode="contains",
    )


def name(label: str, found: Sequence[Suggestion], value: Any, key: str, edit: Edit, required: bool, width: int) -> None:
    """A searchable name with suggestions; free text too, unless names stand for ids. What is refused is told why."""
    by_value = {each.value: each for each in found}
    options = list(by_value) if value in (None, "") or value in by_value else [value, *by_value]
    chosen_at = options.index(value) if session.put(key, value or None) is not None else None

    def chosen() -> None:
        picked = _meant(session.shown(key), found, name_words)
        refused = by_value[picked].refused if picked in by_value else ""
        if refused:
            session.say(f"{picked} was not chosen: {refused}, not for audiences.")
        else:
            edit(picked)

    st.selectbox(
        label,
        options,
        index=chosen_at,
        key=key,
        placeholder=f"Choose {label}" if required else f"Any {label}",
        format_func=lambda each: name_words(by_value.get(each, Suggestion(each))),
        accept_new_options=not any(each.label for each in found),
        filter_mode="contains",
        label_visibility="collapsed",
        width=width,
        on_change=chosen,
    )


def name_words(each: Suggestion) -> str:
    """ "T destination · 96 % · 38 values", "Play Video (22,614)", "heartbeat ✕ why it cannot be chosen".

    The same whether it is chosen or not: the browser sends back these words, and they stand for the name.
    """
    sign = f"{SIGNS[each.data_type]} " if each.data_type in SIGNS else ""
    words = f"{sign}{each.label or each.value}"
    if each.refused:
        return f"{words} ✕ {each.refused}"
    if each.distinct is not None:
        return f"{words} · {filled_words(each.filled or 0)} · {distinct_words(each.distinct)}"
    return words + (f" ({each.count:,})" if each.count is not None else "")


def filled_words(share: float) -> str:
    """A fill rate: what is not all or nothing is not shown as such."""
    percent = 100 * share
    if 0 < percent < 1:
        return "<\u20091\u00a0%"
    return f"{min(percent, 99) if share < 1 else percent:.0f}\u00a0%"


def distinct_words(found: Distinct) -> str:
    """ "1 value", "38 values", "about 12,000 values"."""
    about = "" if found.exact else "about "
    return f"{about}{found.count:,} value{'' if found.count == 1 else 's'}"


class Lookup:
    """Values to choose from: the most frequent, or those that contain a text; past the limit a list is cut."""

    def __init__(self, total: int, first: Callable[[int, str], list[Suggestion]]) -> None:
        self.total, self._first = total, first

    def found(self, label: str, key: str) -> list[Suggestion]:
        """The suggestions, behind a search field where there are more than a list holds."""
        if self.total <= LIMIT:
            return self._first(LIMIT, "")
        typed = st.text_input(
            f"Search {label}",
            key=f"{key}-search",
            live="300ms",
            label_visibility="collapsed",
            width=196,
            placeholder=f"Search {self.total:,} values",
            icon=":material/search:",
        )
        matching = self._first(50 if typed else LIMIT, str(typed or ""))
        cut = f"first {len(matching):,} of {self.total:,}" if len(matching) in (50, LIMIT) else f"{len(matching):,}"
        st.caption(f"{cut} shown", width="content")
        return matching


def value(label: str, found: Sequence[Suggestion], held: Any, key: str, edit: Edit) -> None:
    """A text to compare with, suggested by how often it occurs; free text is taken too."""
    counts = {each.value: each.count for each in found}
    options = list(counts) if held in (None, "") or held in counts else [str(held), *counts]
    text = session.put(key, None if held in (None, "") else str(held))
    st.selectbox(
        label,
        options,
        index=None if text is None else options.index(text),
        key=key,
        format_func=lambda each: _counted(each, counts),
        accept_new_options=True,
        filter_mode="contains",
        placeholder="Type a value",
        label_visibility="collapsed",
        width=WIDE,
        on_change=lambda: edit(_meant(session.shown(key), found, lambda each: _counted(each.value, counts)) or ""),
    )


def _meant(picked: Any, found: Sequence[Suggestion], words: Callable[[Suggestion], str]) -> Any:
    """The value that was picked: the browser sends words, and of a list that has just changed they are free text."""
    if not isinstance(picked, str) or any(each.value == picked for each in found):
        return picked
    return next((each.value for each in found if words(each) == picked), picked)


def _counted(each: str, counts: dict[str, int | None]) -> str:
    count = counts.get(each)
    return f"{each} ({count:,})" if count is not None else each


CHIPS = 50
"""Up to this many values are shown one by one."""


def values(label: str, found: Sequence[Suggestion], held: Any, key: str, edit: Edit) -> None:
    """Several texts: chosen, typed, pasted or uploaded."""
    chosen = [str(each) for each in held] if isinstance(held, list | tuple) else [str(held)] if held else []
    if len(chosen) <= CHIPS:
        counts = {each.value: each.count for each in found}

        def told(each: Suggestion) -> str:
            return _counted(each.value, counts)

        session.put(key, chosen)
        st.multiselect(
            label,
            list(dict.fromkeys([*chosen, *counts])),
            chosen,
            key=key,
            accept_new_options=True,
            filter_mode="contains",
            format_func=lambda each: _counted(each, counts),
            placeholder="Choose or type values",
            select_all=False,
            label_visibility="collapsed",
            width=WIDE + 120,
            on_change=lambda: edit([_meant(each, found, told) for each in session.shown(key)]),
        )
    else:
        st.markdown(f"**{len(chosen):,} values** :gray[{', '.join(chosen[:3])} …]", width="content")
    pasted(label, chosen, key, edit)


MOST_VALUES = 100_000


def pasted(label: str, chosen: list[str], key: str, edit: Edit) -> None:
    """A list from the clipboard or a file, one value a line."""
    with st.popover(
        "Paste or upload", icon=":material/content_paste:", type="tertiary", key=f"{key}-paste-{len(chosen)}"
    ):
        st.text_area(
            f"{label}, one a line", key=f"{key}-area", height=160, placeholder="ann@example.com\nbo@example.com"
        )
        st.file_uploader("or a text file, one a line", type=["txt", "csv"], key=f"{key}-file", max_upload_size=20)

        def take() -> None:
            file = session.shown(f"{key}-file")
            lines = listed(str(session.shown(f"{key}-area") or "") + "\n" + (decoded(file.getvalue()) if file else ""))
            if not lines:
                session.say("Nothing was taken over: paste values, or choose a file.")
            elif len(lines) > MOST_VALUES:
                session.say(f"Nothing was taken over: {len(lines):,} values; at most {MOST_VALUES:,} fit.")
            else:
                edit(lines)
                session.say(f"{len(lines):,} values taken over.")

        st.button("Use these values", key=f"{key}-take", type="secondary", on_click=take)


def decoded(content: bytes) -> str:
    """The text of an uploaded file: UTF-8, else Latin-1, which reads any bytes."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def listed(text: str) -> list[str]:
    """The values of a pasted list: one a line (or split by commas, where there is one line), once each."""
    lines = [line.strip().strip('"').strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) == 1:
        lines = [each.strip() for each in lines[0].replace(";", ",").split(",")]
    return list(dict.fromkeys(line for line in lines if line))


AUTOMATIC = "automatic"
"""The choice of no forced type."""


def forced_type(label: str, value: Any, detected: str | None, key: str, edit: Edit) -> None:
    """How the value is read: as detected, or as one forces it to be."""
    reads = value or detected
    sign = SIGNS.get(reads or "", "T")
    words = {AUTOMATIC: f"as detected ({TYPE_WORDS.get(detected or '', 'by operator')})", **TYPE_WORDS}
    options = list(words)
    held = session.put(key, value or AUTOMATIC)
    with st.popover(f"{sign}{'!' if value else ''}", type="tertiary", key=f"{key}-sign", help="How the value is read"):
        st.radio(
            label,
            options,
            options.index(held),
            key=key,
            on_change=lambda: edit(None if session.shown(key) == AUTOMATIC else session.shown(key)),
            format_func=words.__getitem__,
        )
