"""The build tab: scope strip, cards and logic line at the left, answers at the right. One run is one repaint.

The numbers come first in a run, and are on their way to the browser before controls and charts are drawn; another edit
ends the run wherever it is.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from functools import cached_property, partial
from typing import Final

import streamlit as st

from core import Dataset, Evaluation, FormulaError
from workbench import panel, session
from workbench.builder import tree
from workbench.builder.cards import Cards
from workbench.builder.draft import Draft
from workbench.builder.suggestions import asking
from workbench.builder.tree import Change, Node, Place
from workbench.builder.waiting import Waiting

SENDING_S: Final = 0.015
"""How long a run waits until what it has drawn is sent: the sender shares the interpreter with it."""


class Editor:
    """One run over a draft. Changes go through callbacks, so they are there before the next run draws."""

    def __init__(self, data: Dataset, held: Draft) -> None:
        self.data, self.held = data, held
        self.now = held.moment(data)
        waiting = Waiting(data, self.now, held.others())
        with waiting:
            self.answer = held.answer(data, waiting.of)

    # -- changes -------------------------------------------------------------------------------------------------------

    def change_tree(self, edit: Callable[[Node], Node]) -> None:
        """Go on with another tree."""
        document = self.held.document
        root = edit(document["definition"]["root"])
        if root is not document["definition"]["root"]:
            self.held.change({**document, "definition": {**document["definition"], "root": root}})

    def edit(self, place: Place, change: Change) -> None:
        """Go on with another dictionary at a place of the tree."""
        self.change_tree(lambda root: tree.changed(root, place, change))

    # -- what is drawn -------------------------------------------------------------------------------------------------

    def numbers(self) -> None:
        """The size at the right and the cards at the left; the places of everything else. Call `rest` after it."""
        left, right = st.columns([7, 3], gap="medium")
        with right, st.container(key="panel"):
            with st.container(key="panel-size"):
                self._size()
                self._changes = st.container()
            self._more = st.container(key="panel-more")
        with left:
            self._strip = st.container(horizontal=True, key="scope", vertical_alignment="center", gap="small")
            self._drawn = self._cards()
            self._drawn.draw()
            self._line = st.container(key="logic-line")
        clock.sleep(SENDING_S)

    def rest(self) -> None:
        """Everything that is not a number of the definition."""
        with self._strip:
            self._scope()
        self._drawn.draw_open()
        with self._line:
            self._logic()
        if self.answer.evaluation is not None:
            self._answers(self.answer.evaluation)

    def _cards(self) -> Cards:
        ask = asking(self.data, self.held.document, self.now, self.answer.problems, self.edit)
        spaces = self.held.document["workspaces"]
        inputs = self.held.document.get("inputs") or self._inputs(spaces)
        sources = {"workspaces": spaces, "inputs": inputs}
        return Cards(self.held, self.answer, ask, self.change_tree, sources, self._curve)

    def _inputs(self, spaces: list[str]) -> list[str]:
        known = self.data.workspaces
        found = [each for name in spaces if name in known for each in known[name].inputs]
        return list(dict.fromkeys(found))

    # -- scope strip ---------------------------------------------------------------------------------------------------

    def _scope(self) -> None:
        document = self.held.document
        self._several("Workspaces", "workspaces", list(self.data.workspaces), document["workspaces"])
        self._several("Inputs", "inputs", self._inputs(document["workspaces"]), document.get("inputs") or [])
        self._lookback(document.get("lookback_days"))
        self._as_of()
        evaluation = self.answer.evaluation
        universe = f"{evaluation.universe:,}" if evaluation else "–"
        st.markdown(f":gray[Universe] **{universe}** :gray[profiles]", width="content")

    def _set(self, key: str, value: object) -> None:
        self.held.change({**self.held.document, key: value})

    def _several(self, label: str, key: str, known: list[str], chosen: list[str]) -> None:
        widget = f"scope-{key}"

        def take() -> None:
            picked = list(session.shown(widget))
            if picked or key == "inputs":
                self._set(key, picked or None)
            else:
                session.say("An audience needs a workspace: the last one stays.")

        with st.popover(f":gray[{label}] {', '.join(chosen) or 'All'}", key=f"{widget}-chip"):
            options = list(dict.fromkeys([*known, *chosen]))
            st.multiselect(label, options, session.put(widget, chosen), key=widget, on_change=take, placeholder="All")
            st.caption("Every number is counted in these." if key == "workspaces" else "None chosen: all of them.")

    def _lookback(self, days: float | None) -> None:
        def take() -> None:
            typed = session.shown("scope-days")
            self._set("lookback_days", typed or None)

        with st.popover(f":gray[Event data] {f'Last {days:g} days' if days else 'Unlimited'}", key="scope-days-chip"):
            held = session.put("scope-days", days or 0)
            st.number_input(
                "Days of events (0: unlimited)", min_value=type(held)(0), value=held, key="scope-days", on_change=take
            )
            st.caption("How far back events count, for every criterion.")

    def _as_of(self) -> None:
        """The moment that every number is of: now by the as-of rule, or one that is chosen."""
        held, end = self.held, self.data.end
        rule = "Now" if held.as_of is None and end is not None and self.now > end else "End of data"
        word = "" if held.as_of is not None else f"{rule} · "
        with st.popover(f":gray[As of] {word}{self.now:%-d %b %H:%M}", key="scope-as-of-chip"):

            def take() -> None:
                chosen: date | None = session.shown("scope-as-of-day")
                at: time = session.shown("scope-as-of-time") or time()
                held.look_at(datetime.combine(chosen, at, UTC) if chosen else None)

            day = session.put("scope-as-of-day", self.now.date())
            clock = session.put("scope-as-of-time", self.now.time().replace(second=0, microsecond=0))
            st.date_input("Day (UTC)", day, key="scope-as-of-day", on_change=take, max_value=date(9999, 12, 31))
            st.time_input("Time (UTC)", clock, key="scope-as-of-time", on_change=take, step=60)
            st.button("Back to now", disabled=held.as_of is None, on_click=self._now, key="scope-as-of-now")
            st.caption(
                f"{session.as_of_words(self.data, self.now)}; data reaches to {end:%-d %b %Y %H:%M} UTC." if end else ""
            )

    def _now(self) -> None:
        self.held.look_at(None)

    # -- logic line ----------------------------------------------------------------------------------------------------

    def _logic(self) -> None:
        held, written = self.held, tree.formula(self.held.root)
        st.markdown("**Logic** :gray[:small[Enter applies it. Cards and line edit the same tree.]]")
        shown = session.put("logic", held.logic_text or written)
        st.text_input("Logic", shown, key="logic", label_visibility="collapsed", on_change=self._apply)
        if held.logic_error:
            st.markdown(f":red[:small[:material/error: {held.logic_error}]]")
        if self.answer.whole and self.answer.evaluation is not None:
            st.caption(self.answer.evaluation.audience.sentence.replace("$", "\\$"))

    def _apply(self) -> None:
        held, text = self.held, str(session.shown("logic"))
        held.logic_text = held.logic_error = ""
        try:
            root = tree.parsed(text, held.root)
        except FormulaError as error:
            hint = f" {error.hint}" if error.hint else ""
            held.logic_error = f"{error.message}{hint} (column {error.column}) The last good logic stays."
            held.logic_text = text
            return
        gone = tree.lettered(held.root).keys() - tree.lettered(root).keys()
        if gone:
            names = ", ".join(letter for node, letter in tree.lettered(held.root).items() if node in gone)
            session.say(f"{names} left the definition with this logic; Undo brings it back.")
        held.change({**held.document, "definition": {**held.document["definition"], "root": root}})

    # -- answers -------------------------------------------------------------------------------------------------------

    def _answers(self, result: Evaluation) -> None:
        with self._more:
            blocks = st.container()
            st.download_button(
                "Download members (CSV)",
                partial(_csv, result),
                f"{self.held.key}.csv",
                "text/csv",
                on_click="ignore",
            )
        panel.draw(self._look, self._changes, blocks)

    def _size(self) -> None:
        result = self.answer.evaluation
        with st.container(horizontal=True, horizontal_alignment="distribute", key="panel-head"):
            st.caption("Members", width="content")
            exact = "exact · " if self.answer.whole else ""
            st.caption(f"{exact}{session.as_of_words(self.data, self.now)}", width="content")
        if result is None:
            st.metric("Members", "–", label_visibility="collapsed")
            for problem in self.answer.problems:
                st.error(f"**{problem.message}** {problem.hint}")
            return
        with st.container(horizontal=True, vertical_alignment="bottom", key="panel-figure", gap="small"):
            st.metric("Members", f"{result.size:,}", label_visibility="collapsed", width="content")
            if result.universe:
                share = 100 * result.size / result.universe
                st.markdown(f":gray[{share:.1f}\u00a0% of the universe]", width="content")
        if self.answer.left_out:
            letters = tree.lettered(self.held.root)
            names = sorted(letters[each] for each in self.answer.left_out if each in letters)
            told = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
            it = "them" if len(names) > 1 else "it"
            st.warning(f"**{told} cannot be counted yet.** The numbers leave {it} out.")

    @cached_property
    def _look(self) -> panel.Look:
        """What the answers look at; leaves are called by their letters in the whole tree."""
        letters, result = tree.lettered(self.held.root), self.answer.evaluation
        assert result is not None, "there is an answer to look at"
        return panel.Look(
            self.data,
            result,
            f"panel-{self.held.key}",
            named=self.answer.others,
            saved=self.held.saved_answer(self.data),
            version=self.held.version,
            masks=not session.sees_identities(),
            names={size.path: letters[node] for node, size in self.answer.sizes.items() if node in letters},
            warnings=self.answer.warnings,
            others=self.held.comparable,
        )

    def _curve(self, node: Node) -> None:
        """The size against the numbers of a criterion; a point that is chosen becomes its number."""
        result, size = self.answer.evaluation, self.answer.sizes.get(node["id"])
        if result is None or size is None or not panel.has_curve(look := self._look, size.path):
            return
        with st.expander("Size against its numbers", key=f"curve-{node['id']}", on_change="rerun") as shown:
            if shown.open:
                panel.curve_block(look, size.path, lambda document: self._turn(node, document))

    def _turn(self, node: Node, document: Node) -> None:
        self.edit(Place(node["id"]), lambda held: tree.with_ids({**document, "id": held["id"]}))
        session.later()


def _csv(result: Evaluation) -> str:
    return result.members.write_csv()
