"""The answers beside the builder, block by block. Each block is a fragment of its own with its height reserved."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import streamlit as st

from core import Audience, CoreError, Dataset, Evaluation, charts
from core.charts.style import signed
from core.composition import Trait, composition, reach, traits
from core.history import History, backtest
from core.members import some_members
from workbench import why

T = TypeVar("T")

PATIENCE_S: Final = 0.4
"""Work that takes longer shows how far it is."""


@dataclass(frozen=True)
class Look:
    """What the panel looks at. Keys of widgets start with `key`, which names the audience."""

    data: Dataset
    evaluation: Evaluation
    key: str
    named: Mapping[str, Audience] = field(default_factory=dict)
    """Other audiences by id, which answer memberships."""
    saved: Evaluation | None = None
    """The saved version at the same moment, None where there is none or it cannot be evaluated."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What leaves are called, by their path in the evaluation's tree, where it is not their letter there."""
    masks: bool = True
    """Whether identities are masked."""

    def remembered(self, what: str, make: Callable[[], T], *more: object) -> T:
        """What `make` gives, kept with what the criteria remember of this moment and version."""
        return self.evaluation.scope.once((what, self.evaluation.audience.canonical, *more), make)

    def history(self) -> History:
        """The last 30 days; shows progress where it takes long, and makes room for the next edit between days."""
        found = self.evaluation

        def make() -> History:
            with _Progress("Looking at the last 30 days") as step:
                return backtest(self.data, found.audience, now=found.now, audiences=self.named, progress=step)

        return self.remembered("backtest", make)


class _Progress:
    """A progress bar that appears when work takes long. Every step lets Streamlit turn to the next edit."""

    def __init__(self, words: str) -> None:
        self.words, self.slot, self.begun = words, st.empty(), time.monotonic()

    def __enter__(self) -> Callable[[int, int], None]:
        return self.step

    def __exit__(self, *error: object) -> None:
        self.slot.empty()

    def step(self, done: int, total: int) -> None:
        if time.monotonic() - self.begun > PATIENCE_S:
            self.slot.progress(done / max(total, 1), self.words)
        else:
            self.slot.empty()


def theme() -> str:
    """ "light" or "dark", as the browser shows the app."""
    return st.context.theme.type or "light"


def more(look: Look) -> None:
    """Every block below the size, in their order. Call it inside of the container `panel-more`."""
    blocks = st.container()
    tables = st.toggle("Tables instead of charts", key=f"{look.key}-tables")
    with blocks:
        _narrowing(look, tables)
        _days(look, tables)
        _reach(look, tables)
        _composition(look, tables)
        _tabs(look)


def _block(name: str, note: str = "") -> None:
    """The heading of a block, with a note at its right."""
    aside = f"<span>{note}</span>" if note else ""
    st.html(f'<div class="block"><h3>{name}</h3>{aside}</div>', width="stretch" if note else "content")


def _show(chart: Any, frame: Any, tables: bool, columns: Mapping[str, str], alt: str, key: str, height: int) -> None:
    """A chart, or its frame as a table that everybody can read."""
    with st.container(height=height, border=False, key=key):
        if tables:
            st.table(frame.select(list(columns)).rename(dict(columns)))
        else:
            st.altair_chart(chart, key=f"{key}-chart", theme=None, alt=alt)


# --- under the size ----------------------------------------------------------------------------------------------


@st.fragment
def changes(look: Look) -> None:
    """Badges: the change against the saved version and against yesterday. Call it below the size."""
    with st.container(horizontal=True, key=f"{look.key}-changes", height=28, border=False, gap="small"):
        size = look.evaluation.size
        if look.saved is not None:
            _badge(size - look.saved.size, "vs saved")
        day = look.history().days[-1]
        _badge(day.adds - day.drops, "vs yesterday")
        volatility = f"{100 * (day.adds + day.drops) / size:.1f}\u00a0%" if size else "–"
        st.badge(f"volatility {volatility}", color="gray", help="(Adds + drops of the last 24 hours) / size.")


def _badge(change: int, against: str) -> None:
    if not change:
        st.badge(f"no change {against}", color="gray")
        return
    icon, colour = (":material/arrow_upward:", "green") if change > 0 else (":material/arrow_downward:", "orange")
    st.badge(f"{abs(change):,} {against}", icon=icon, color=colour)  # type: ignore[arg-type]


# --- charts ------------------------------------------------------------------------------------------------------


@st.fragment
def _narrowing(look: Look, tables: bool) -> None:
    frame = charts.waterfall_frame(look.evaluation, look.names)
    _block("How each criterion narrows it", f"from {look.evaluation.universe:,}")
    columns = {"row": "Criterion", "sentence": "People who", "figure": "Change", "to": "Profiles here"}
    height = min(20 * len(frame) + 8, 328)
    _show(
        charts.waterfall(frame, theme()), frame, tables, columns, "How each criterion narrows the audience",
        f"{look.key}-narrowing", height,
    )  # fmt: skip


@st.fragment
def _days(look: Look, tables: bool) -> None:
    history = look.history()
    last, frame = history.days[-1], history.frame
    note = f"24 h: <b class='adds'>{signed(last.adds)}</b> <b class='drops'>{signed(-last.drops)}</b>"
    _block("Last 30 days, as this definition", note)
    columns = {"at": "As of (UTC)", "size": "Members", "adds": "Adds", "drops": "Drops"}
    if tables:
        frame = frame.with_columns(at=frame["at"].dt.strftime("%-d %b %Y %H:%M")).reverse()
    chart = None if tables else charts.days_chart(frame, theme())
    alt = f"Members on each of the last 30 days, {last.size:,} now"
    _show(chart, frame, tables, columns, alt, f"{look.key}-days", 150)


@st.fragment
def _reach(look: Look, tables: bool) -> None:
    found = look.evaluation
    frame = look.remembered("reach", lambda: reach(found.scope, found.mask))
    _block("Reach by identity", "of members")
    if frame.is_empty():
        st.caption("No member has an identity." if found.size else "There are no members to reach.")
        return
    columns = {"identity_type": "Identity", "members": "Members", "share": "Share"}
    shown = frame if tables else frame.head(6)
    chart = None if tables else charts.reach_chart(shown, theme())
    _show(chart, shown, tables, columns, "Members that can be reached, by identity", f"{look.key}-reach", 128)


@st.fragment
def _composition(look: Look, tables: bool) -> None:
    found = look.evaluation
    every = look.remembered("traits", lambda: traits(found.scope.snapshot, found.scope.workspaces))
    if not every:
        _block("Who they are")
        st.caption("Nothing is known of these profiles yet.")
        return
    with st.container(horizontal=True, key=f"{look.key}-trait-row", vertical_alignment="center", gap="small"):
        _block("Who they are by")
        trait = _chosen(every, look)
        st.html('<div class="note">| universe</div>', width="content")
    key = trait.criterion.canonical
    frame = look.remembered("composition", lambda: composition(found.scope, found.mask, trait.criterion), key)
    shown = frame.filter((frame["members"] > 0) | (frame["kind"] == "value"))
    columns = {
        "value": trait.name,
        "members": "Members",
        "share": "Share",
        "against_share": "Share of universe",
        "index": "Times universe",
    }
    chart = None if tables else charts.composition_chart(shown, theme())
    alt = f"Members by {trait.name} against the universe"
    _show(chart, shown, tables, columns, alt, f"{look.key}-composition", 212)


def _chosen(every: list[Trait], look: Look) -> Trait:
    names = [trait.name for trait in every]
    first = next((at for at, name in enumerate(names) if name.lstrip("$").lower().startswith("country")), 0)
    name = st.selectbox("by", names, index=first, key=f"{look.key}-trait", label_visibility="collapsed")
    return every[names.index(name)]


# --- one at a time -----------------------------------------------------------------------------------------------


def _tabs(look: Look) -> None:
    """Blocks of which only the open one is computed."""
    tabs = st.tabs(["Members"], key=f"{look.key}-more", on_change="rerun")
    with tabs[0]:
        if tabs[0].open:
            _members(look)


@st.fragment
def _members(look: Look) -> None:
    found = look.evaluation
    if not found.size:
        st.caption("Nobody. Widen a window, or remove a criterion that keeps everybody out.")
    else:
        frame = look.remembered("some members", lambda: some_members(found.scope, found.mask, masks=look.masks))
        columns: dict[str, Any] = {
            "identity": "Known by",
            "last_seen": st.column_config.DatetimeColumn("Last seen", format="D MMM HH:mm", timezone="UTC"),
            "mpid": st.column_config.NumberColumn("mpid", format="plain"),
        }
        picked = st.dataframe(
            frame, hide_index=True, height=212, column_order=list(columns), column_config=columns,
            key=f"{look.key}-members-{found.audience.canonical}", on_select="rerun", selection_mode="single-row",
        )  # fmt: skip
        rows = picked["selection"]["rows"]
        if rows:
            why.draw(found.explain(int(frame["mpid"][rows[0]])), masks=look.masks)
            return
    _ask_why(look)


def _ask_why(look: Look) -> None:
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
        why.draw(found.explain(matches[0].mpid), masks=look.masks)
    except CoreError as error:
        st.error(f"**{error.message}** {error.hint}")
