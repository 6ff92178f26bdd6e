"""The blocks of the panel that are always drawn: changes, narrowing, days, reach, composition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import charts
from core.charts.style import signed
from core.composition import Trait, composition, reach, traits
from workbench import parts
from workbench.panel.look import Look, block, show
from workbench.panel.tabs import tabs
from workbench.progress import Progress


def draw(look: Look, under: DeltaGenerator, below: DeltaGenerator) -> None:
    """Every answer: badges `under` the size, blocks `below` it. What looks at many days is computed last."""
    with below:
        narrowing, days, reach_, composition_, tabs_ = (st.container() for _ in range(5))
        tables = st.toggle("Tables instead of charts", key=f"{look.key}-tables")
    with narrowing:
        _narrowing(look, tables)
    with reach_:
        _reach(look, tables)
    with composition_:
        _composition(look, tables)
    with tabs_:
        tabs(look, tables)
    with days:
        _days(look, tables)
    with under:
        _changes(look)


# --- under the size ----------------------------------------------------------------------------------------------


@parts.fragment
def _changes(look: Look) -> None:
    """Badges: the change against the saved version and against yesterday."""
    with st.container(horizontal=True, key=f"{look.key}-changes", gap="small"):
        size = look.evaluation.size
        if look.saved is not None:
            _badge(size - look.saved.size, f"vs saved v{look.version}")
        day = look.history().days[-1]
        _badge(day.adds - day.drops, "vs yesterday")
        volatility = f"{100 * (day.adds + day.drops) / size:.1f}\u00a0%" if size else "–"
        st.badge(f"volatility {volatility}", color="gray", help="(Adds + drops of the last 24 hours) / size.")


def _badge(change: int, against: str) -> None:
    if not change:
        st.badge(f"as {against.removeprefix('vs ')}", color="gray", help=f"No change {against}.")
        return
    icon, colour = (":material/arrow_upward:", "green") if change > 0 else (":material/arrow_downward:", "orange")
    st.badge(f"{abs(change):,} {against}", icon=icon, color=colour)  # type: ignore[arg-type]


# --- charts ------------------------------------------------------------------------------------------------------


@parts.fragment
def _narrowing(look: Look, tables: bool) -> None:
    frame = charts.waterfall_frame(look.evaluation, look.names)
    block("How each criterion narrows it", f"from {look.evaluation.universe:,}")
    columns = {"row": "Criterion", "sentence": "People who", "figure": "Change", "to": "Profiles here"}
    height = 20 * len(frame) + 8
    show(
        charts.waterfall(frame, parts.scheme()), frame, tables, columns, "How each criterion narrows the audience",
        f"{look.key}-narrowing", height,
    )  # fmt: skip


@parts.fragment
def _days(look: Look, tables: bool) -> None:
    history = look.history()
    last, frame = history.days[-1], history.frame
    note = f"24 h: <b class='adds'>{signed(last.adds)}</b> <b class='drops'>{signed(-last.drops)}</b>"
    block("Last 30 days, as this definition", note)
    columns = {"at": "As of (UTC)", "size": "Members", "adds": "Adds", "drops": "Drops"}
    if tables:
        frame = frame.with_columns(at=frame["at"].dt.strftime("%-d %b %Y %H:%M")).reverse()
    chart = None if tables else charts.days_chart(frame, parts.scheme())
    alt = f"Members on each of the last 30 days, {last.size:,} now"
    show(chart, frame, tables, columns, alt, f"{look.key}-days", 150)


@parts.fragment
def _reach(look: Look, tables: bool) -> None:
    found = look.evaluation

    def make() -> Any:
        with Progress("Counting who can be reached") as step:
            return reach(found, step)

    frame = look.remembered("reach", make)
    block("Reach by identity", "of members")
    if frame.is_empty():
        st.caption("No member has an identity." if found.size else "There are no members to reach.")
        return
    columns = {"identity_type": "Identity", "members": "Members", "share": "Share"}
    shown = frame if tables else frame.head(6)
    chart = None if tables else charts.reach_chart(shown, parts.scheme())
    height = 20 * len(shown) + 8
    show(chart, shown, tables, columns, "Members that can be reached, by identity", f"{look.key}-reach", height)


@parts.fragment
def _composition(look: Look, tables: bool) -> None:
    found = look.evaluation
    every = look.remembered("traits", lambda: traits(found))
    if not every:
        block("Who they are")
        st.caption("Nothing is known of these profiles yet.")
        return
    if not found.size:
        block("Who they are")
        st.caption("There are no members to compare.")
        return
    block("Who they are", "| is the share of the others")
    with st.container(horizontal=True, key=f"{look.key}-trait-row", gap="small"):
        trait = _chosen(every, look)
        against, others = _against(look)
    key = (trait.criterion.canonical, against)

    def make() -> Any:
        compared = others()
        with Progress(f"Counting members by {trait.name}") as step:
            return composition(found, trait.criterion, compared, step)

    frame = look.remembered("composition", make, *key)
    shown = frame.filter((frame["members"] > 0) | (frame["kind"] == "value"))
    columns = {
        "value": trait.name,
        "members": "Members",
        "share": "Share",
        "against_share": f"Share of {against}",
        "index": "Times as often",
    }
    chart = None if tables else charts.composition_chart(shown, parts.scheme(), against)
    alt = f"Members by {trait.name} against {against}"
    show(chart, shown, tables, columns, alt, f"{look.key}-composition", 208)


def _against(look: Look) -> tuple[str, Callable[[], Any]]:
    """With whom members are compared: everybody in the workspaces, or the members of another audience."""
    names = {"": "the universe"} | {key: each.name for key, each in look.others().items()}
    key = st.selectbox(
        "Against", list(names), format_func=lambda each: f"| {names[each]}", key=f"{look.key}-against",
        label_visibility="collapsed",
    )  # fmt: skip
    if not key:
        return names[key], lambda: None

    def members() -> Any:
        every = look.other_members()
        return None if every is None or key not in every.names else every.mask(key)

    return names[key], members


def _chosen(every: list[Trait], look: Look) -> Trait:
    names = [trait.name for trait in every]
    first = next((at for at, name in enumerate(names) if name.lstrip("$").lower().startswith("country")), 0)
    name = st.selectbox(
        "By", names, index=first, format_func=lambda each: f"by {each}", key=f"{look.key}-trait",
        label_visibility="collapsed",
    )  # fmt: skip
    return every[names.index(name)]
