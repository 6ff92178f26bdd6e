"""What every page is made of: its head, empty states, errors in words, moments and numbers as people read them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import ParamSpec

import streamlit as st

from core import CoreError
from core.charts.style import Chart

P = ParamSpec("P")
Fact = tuple[str, str, str]
"""Name, value, and since when."""
NARROW = "\u202f"


@contextmanager
def head(title: str, note: str = "", badges: Sequence[tuple[str, str]] = ()) -> Iterator[None]:
    """The title row; what the block draws are the page's actions, at its right (on a phone: at the bottom)."""
    with st.container(horizontal=True, key="page-head", vertical_alignment="center"):
        st.title(title, anchor=False, width="content")
        for words, colour in badges:
            st.badge(words, color=colour)  # type: ignore[arg-type]
        if note:
            st.caption(note, width="content")
        st.space("stretch")
        with st.container(horizontal=True, key="page-actions", width="content"):
            yield


def failed(error: CoreError) -> None:
    """An error of the core in words: what is wrong, and the way out."""
    st.error(f"**{plain(error.message)}** {plain(error.hint)}", icon=":material/error:")


def fragment(draw: Callable[P, None]) -> Callable[P, None]:
    """A part of a page that is drawn again by itself. An error of the core becomes words in its place: nothing leaves a
    fragment, so the page cannot say it."""

    @st.fragment
    @wraps(draw)
    def drawn(*args: P.args, **named: P.kwargs) -> None:
        try:
            draw(*args, **named)
        except CoreError as error:
            failed(error)

    return drawn


def empty(title: str, words: str) -> None:
    """Nothing is there yet: what this place is for, and what to do next."""
    with st.container(key="empty", border=True, horizontal_alignment="center"):
        st.subheader(title, anchor=False, width="content")
        st.caption(words, width="content")


def no_data() -> None:
    """The account has no data yet."""
    empty("No data yet", "Load batches or a table on the Data page, or make the sample data.")
    if st.button("Load data", icon=":material/upload:", key="to-data"):
        st.switch_page("../pages/data.py")
    st.code("python -m sample_data.make", language="bash")


def moment(at: datetime | None, now: datetime | None = None) -> str:
    """A moment in UTC, short: the time alone on the day of `now`, the year where it is another one; – for none."""
    if at is None:
        return "–"
    if now is not None and at.date() == now.date():
        return f"{at:%H:%M}"
    return f"{at:%-d %b %H:%M}" if now is not None and at.year == now.year else f"{at:%-d %b %Y %H:%M}"


def ago(at: datetime, now: datetime) -> str:
    """How long before `now`, in the largest unit that fits."""
    gone = max(now - at, timedelta(0))
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        count = int(gone.total_seconds() // size)
        if count >= 2 or (count and unit == "minutes"):
            return f"{count} {unit if count > 1 else unit[:-1]} ago"
    return "just now"


def share(part: float | None) -> str:
    """A share as percent, – for none."""
    return "–" if part is None else f"{100 * part:.1f}{NARROW}%"


def tile(label: str, figure: str, note: str = "") -> None:
    """One figure with what it is, and a note below it."""
    with st.container(border=True, key=f"tile-{label}"):
        st.metric(label, figure)
        st.caption(note or "\u00a0")


def facts(rows: Sequence[Fact]) -> str:
    """Facts as a table: name, value, since when."""
    cells = "".join(
        f"<tr><th scope='row'>{html.escape(name)}</th><td>{html.escape(value)}</td><td>{html.escape(at)}</td></tr>"
        for name, value, at in rows
    )
    return f"<table class='facts'><tbody>{cells}</tbody></table>"


def pager(key: str, at: int, size: int, total: int, what: str) -> None:
    """Which of many rows are shown, and the way to the others. `at`: `session.page_number(key, ...)`."""
    first, pages = (at - 1) * size, -(-total // size)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{first + 1:,}–{min(first + size, total):,} of {total:,} {what}", width="content")
        st.space("stretch")
        if pages > 1:
            st.pagination(pages, key=key)


def plain(text: str) -> str:
    """A text of the data inside Markdown: nothing in it is a mark, and no address a link."""
    unlinked = re.sub(r"(@|://|www(?=\.))", "\\1\u2060", text, flags=re.IGNORECASE)
    return re.sub(r"([\\`*_{}\[\]()#+.!|~<>$:-])", r"\\\1", unlinked)


def bytes_words(size: int) -> str:
    """A number of bytes in the unit that fits."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "B" else f"{value:,.1f} {unit}"
        value /= 1000
    raise AssertionError


def chart(drawn: Chart, key: str, alt: str) -> None:
    """A chart of `core.charts`, as wide as its place. `alt`: what it shows, for who does not see it."""
    st.vega_lite_chart(drawn.document(), key=key, theme=None, alt=alt)


def scheme() -> str:
    """The colours that the app is shown in: light or dark."""
    return st.context.theme.type or "light"


def foot() -> None:
    """Times are UTC; the local time stands beside."""
    offset = st.context.timezone_offset
    if offset is None or offset == 0:
        st.caption("Times are UTC.")
        return
    local = datetime.now(UTC) - timedelta(minutes=offset)
    sign = "−" if offset > 0 else "+"
    hours, minutes = divmod(abs(offset), 60)
    st.caption(f"Times are UTC · local {sign}{hours:02}:{minutes:02}, now {local:%H:%M} ({st.context.timezone})")
