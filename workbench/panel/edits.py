"""What an edit would do: a number turned in a card, and a definition about to be saved."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

import streamlit as st

from core import Evaluation, charts
from core.charts.curves import PICK
from core.charts.style import signed
from core.curves import Curve, as_document, curve, dials
from core.effect import effect
from workbench import parts
from workbench.panel.look import Look
from workbench.progress import Progress


def has_curve(look: Look, path: str) -> bool:
    """Whether the criterion at a path has a number to turn."""
    return bool(dials(look.evaluation, path))


def curve_block(look: Look, path: str, on_pick: Callable[[dict[str, Any]], None]) -> None:
    """The audience's size against a number of the criterion at a path; `on_pick` gets the criterion's new document.

    Not a fragment: a choice changes the whole builder. Call it inside of the card.
    """
    found = look.evaluation
    every = {dial.key: dial for dial in dials(found, path)}
    node = found.node(path)
    key = f"{look.key}-curve-{path}-{node.canonical}"
    chosen = next(iter(every))
    if len(every) > 1:
        words = {each: dial.words for each, dial in every.items()}
        chosen = st.segmented_control(
            "Size against", list(every), default=chosen, format_func=words.__getitem__, key=f"{key}-dial", required=True
        )
    dial = every[chosen]

    def make() -> Curve:
        with Progress("Trying other numbers") as step:
            return curve(found, path, chosen, step)

    frame = look.remembered("curve", make, path, chosen).frame
    chart = charts.curve_chart(frame, dial.words, parts.scheme())
    event = st.vega_lite_chart(
        chart.document(), key=f"{key}-{chosen}", theme=None, on_select="rerun", alt=f"Members against {dial.words}"
    )
    settings = frame["setting"].to_list()
    labels = {
        at: f"{at:g}: {size:,} members ({signed(by)})"
        for at, size, by in zip(settings, frame["size"], frame["change"], strict=True)
    }
    picked = st.selectbox(
        f"Set {dial.words} to", settings, index=settings.index(dial.setting), format_func=labels.__getitem__,
        key=f"{key}-{chosen}-set",
    )  # fmt: skip
    clicked = [each["setting"] for each in event["selection"].get(PICK, [])]
    setting = next((each for each in (*clicked, picked) if each != dial.setting), None)
    if setting is not None:
        on_pick(as_document(node, chosen, int(setting) if float(setting).is_integer() else setting))


# --- before saving -----------------------------------------------------------------------------------------------


def effect_block(before: Evaluation, after: Evaluation) -> None:
    """What saving changes: who enters and who leaves, and by which criterion."""
    with Progress("Comparing the two versions") as step:
        found = effect(before, after, step)
    if not found.entering and not found.leaving:
        st.markdown(f"**{found.after:,} members** either way: nobody enters, nobody leaves.")
        return
    st.markdown(
        f"**{found.before:,} → {found.after:,} members**: :green[{signed(found.entering)} enter], "
        f":orange[{signed(-found.leaving)} leave]."
    )
    rows = []
    for each in found.causes:
        words = "enter: kept out before by" if each.change == "entering" else "leave: kept out now by"
        rows.append(f"<li><span><b>{each.size:,}</b> {words}</span><small>{escape(each.sentence)}</small></li>")
    for size, words in (
        (found.entering_universe, "enter, from other workspaces"),
        (found.leaving_universe, "leave with their workspaces"),
        (found.entering_by_several, "enter by several changes together"),
        (found.leaving_by_several, "leave by several changes together"),
    ):
        if size:
            rows.append(f"<li><span><b>{size:,}</b> {words}</span></li>")
    if rows:
        st.html(f'<ul class="rows">{"".join(rows)}</ul>')
