"""Cards on a rail: one criterion each, with its three numbers; one of them is open."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import NodeSize, Problem
from core.criteria import CRITERIA, Criterion
from core.criteria.asked import SCOPE_PICKS, picked
from core.criteria.base import GROUPS
from core.criteria.windows import Window
from workbench import session
from workbench.adding import adders
from workbench.asking import Asking
from workbench.builder import tree
from workbench.builder.answers import Answer
from workbench.builder.draft import Draft
from workbench.builder.moments import interval_words
from workbench.builder.tree import Node, Place
from workbench.fitting import keys_of
from workbench.forms import form

QUOTED = re.compile(r"“(.*?)”")


@dataclass
class Cards:
    """The cards of a draft. `change(edit)` goes on with another tree; `inputs(workspaces)` are those to choose from."""

    held: Draft
    answer: Answer
    ask: Asking
    change: Callable[[Callable[[Node], Node]], None]
    sources: dict[str, list[str]]
    """By the list of `Pick`: the workspaces, and the inputs of the audience."""
    curve: Callable[[Node], None]
    """Draws the size against the numbers of a criterion."""
    form: Callable[[], None] | None = None
    """Draws the controls of the open card, once the cards are drawn."""

    def draw(self) -> None:
        """All cards, and what adds one."""
        root = self.held.root
        self.letters = tree.lettered(root)
        with st.container(key="rail"):
            st.html('<div class="nums heads"><span>alone</span><span>here</span><span>only because of it</span></div>')
            if not self.letters:
                st.info("No criterion yet: everybody in the workspaces is a member. Add the first one below.")
            self._below(root, "root")
            self._adding = st.container(gap="small")

    def draw_open(self) -> None:
        """The controls of the open card, and what adds one."""
        if self.form is not None:
            self.form()
        with self._adding:
            self._strip()

    def _below(self, node: Node, path: str) -> None:
        if node["type"] not in tree.GROUPS:
            self._node(node, path, None, False)
            return
        for at, child in enumerate(node["criteria"]):
            self._node(child, f"{path}.criteria[{at}]", node, at > 0)

    def _node(self, node: Node, path: str, group: Node | None, joined: bool) -> None:
        """A node below a group, behind a chip that says how it is joined."""
        if node["type"] == "not":
            with st.container(key=f"excluded-{node['id']}"):
                self._exclude_chip(node, group, joined)
                self._inside(node["criterion"], f"{path}.criterion", True)
            return
        if joined and group is not None:
            with st.container(key=f"join-{node['id']}"):
                other = "or" if group["type"] == "and" else "and"
                st.button(
                    group["type"], key=f"toggle-{node['id']}", type="tertiary", width="content",
                    help=f"Click for “{other}” in this bracket",
                    on_click=lambda: self.change(lambda root: tree.toggled(root, group["id"])),
                )  # fmt: skip
        self._inside(node, path, False)

    def _exclude_chip(self, node: Node, group: Node | None, joined: bool) -> None:
        inner = node["criterion"]
        word = "or not" if joined and group is not None and group["type"] == "or" else "exclude"
        with st.container(key=f"join-x{node['id']}"):
            st.button(
                word, key=f"toggle-{node['id']}", type="tertiary", width="content", icon=":material/remove:",
                help="Click to no longer exclude it",
                on_click=lambda: self.change(lambda root: tree.excluded(root, inner["id"])),
            )  # fmt: skip

    def _inside(self, node: Node, path: str, excluded: bool) -> None:
        if node["type"] == "not":
            self._node(node, path, None, False)
        elif node["type"] not in tree.GROUPS:
            self._card(node, path, excluded)
        elif not node["criteria"]:
            st.caption("Everybody" if node["type"] == "and" else "Nobody")
        else:
            with st.container(key=f"group-{node['id']}"):
                self._below(node, path)

    # -- a card --------------------------------------------------------------------------------------------------------

    def _card(self, node: Node, path: str, excluded: bool) -> None:
        opened, node_id = self.held.open == node["id"], node["id"]
        problems = [each for each in self.answer.problems if _within(each, path)]
        warnings = [each for each in self.answer.warnings if _within(each, path)]
        letter, size = self.letters[node_id], self.answer.sizes.get(node_id)
        state = " open" if opened else " x" if excluded else ""
        with st.container(border=True, key=f"crit-{'open-' if opened else ''}{node_id}"):
            mood = "" if opened else self._mood(size, problems)
            st.html(
                f'<div class="crit{state}{mood}"><div class="node{state}">{letter}</div><div class="what">'
                f"<p>{headline(node)}</p><p>{self._second_line(node, problems, warnings)}</p></div>"
                f"{self._numbers(size)}</div>"
            )
            if opened:
                self._open_card(node, path, letter, excluded, st.container(key=f"open-{node_id}", gap=None))
            else:
                st.button(
                    f"Edit {letter}", key=f"edit-{node_id}", type="tertiary", on_click=self._open, args=(node_id,)
                )

    def _open(self, node_id: str | None) -> None:
        self.held.open = node_id

    def _mood(self, size: NodeSize | None, problems: list[Problem]) -> str:
        """Grey: it changes nothing. Amber: it leaves nobody."""
        if problems or size is None or self.answer.evaluation is None:
            return " wrong" if problems else ""
        if size.here == 0 and self.answer.evaluation.universe:
            return " empty"
        return " idle" if size.unique == 0 else ""

    def _second_line(self, node: Node, problems: list[Problem], warnings: list[Problem]) -> str:
        kind = CRITERIA[node["type"]]
        parts = [
            html.escape(kind.title(node)),
            *(f"{_icon(icon)}{html.escape(text)}" for icon, text in source(kind, node, self.sources["workspaces"])),
        ]
        criterion = complete(node)
        if criterion is not None:
            parts += [html.escape(each) for each in windows(criterion, self.ask.now)]
        told = [f'<em class="bad">{html.escape(each.message)}</em>' for each in problems]
        told += [f'<em class="odd">{html.escape(f"{each.message} {each.hint}")}</em>' for each in warnings]
        return ' <s aria-hidden="true">·</s> '.join([*parts, *(told if self.held.open != node["id"] else [])])

    def _numbers(self, size: NodeSize | None) -> str:
        if size is None or self.answer.evaluation is None:
            cells = [("alone", "–", ""), ("here", "<b>–</b>", ""), ("only because of it", "–", "")]
        else:
            share = 100 * size.size / max(self.answer.evaluation.universe, 1)
            bar = f'<i style="--w:{share:.1f}%"></i>'
            cells = [
                ("alone", f"{size.size:,}", bar),
                ("here", f"<b>{size.here:,}</b>", ""),
                ("only because of it", signed(-size.unique), ""),
            ]
        spans = "".join(
            f'<span title="{MEANING[name]}"><small>{name}</small>{text}{bar}</span>' for name, text, bar in cells
        )
        return f'<div class="nums">{spans}</div>'

    # -- the open card -------------------------------------------------------------------------------------------------

    def _open_card(self, node: Node, path: str, letter: str, excluded: bool, where: DeltaGenerator) -> None:
        def draw() -> None:
            with where:
                self._form(node, path, letter, excluded)

        self.form = draw

    def _form(self, node: Node, path: str, letter: str, excluded: bool) -> None:
        kind, place = CRITERIA[node["type"]], Place(node["id"])
        with st.container(key=f"form-{node['id']}"):
            form(kind, node, place, path, self.ask)
            for each in self.answer.warnings:
                if _within(each, path):
                    st.markdown(f":orange[:small[:material/warning: {each.message} {each.hint}]]")
            self.curve(node)
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"foot-{node['id']}"):
            adders(kind, node, place, self.ask)
            self._source_chip(kind, node)
            st.space("stretch")
            with st.container(horizontal=True, width="content", gap=None, key=f"acts-{node['id']}"):
                self._actions(node["id"], letter, excluded)

    def _source_chip(self, kind: type[Criterion], node: Node) -> None:
        """Where it reads: the inputs of the audience, or one of its workspaces."""
        for field in keys_of(kind):
            pick = picked(kind.asked(field, node))
            if pick in SCOPE_PICKS:
                self._source(kind, node, field, pick)

    def _source(self, kind: type[Criterion], node: Node, field: str, pick: str) -> None:
        key, held = f"{node['id']}-{field}", node.get(field)

        def choose() -> None:
            chosen = session.shown(key)
            rest = {each: value for each, value in node.items() if each != field}
            self.ask.edit(Place(node["id"]), lambda _: {**rest, field: chosen} if chosen else rest)

        icon, text = source(kind, node, self.sources["workspaces"])[0]
        with st.popover(text, icon=f":material/{icon}:", type="tertiary", key=f"source-{node['id']}"):
            if pick == "workspaces":
                session.put(key, held)
                options = list(dict.fromkeys([*self.sources[pick], *([held] if held else [])]))
                at = options.index(held) if held else None
                st.selectbox("Workspace", options, at, key=key, placeholder="The audience’s first", on_change=choose)
            else:
                session.put(key, held or [])
                options = list(dict.fromkeys([*self.sources[pick], *(held or [])]))
                label = "Inputs (none chosen: all of the audience’s)"
                st.multiselect(label, options, held or [], key=key, placeholder="All", on_change=choose)

    def _actions(self, node_id: str, letter: str, excluded: bool) -> None:
        def act(label: str, icon: str, name: str, edit: Callable[[Node], Node]) -> None:
            st.button(
                label, icon=f":material/{icon}:", key=f"act-{name}-{node_id}", type="tertiary",
                help=label, on_click=lambda: self.change(edit),
            )  # fmt: skip

        act(f"Move {letter} up", "arrow_upward", "up", lambda root: tree.moved(root, node_id, -1))
        act(f"Move {letter} down", "arrow_downward", "down", lambda root: tree.moved(root, node_id, 1))
        word, icon = ("Include", "add_circle") if excluded else ("Exclude", "do_not_disturb_on")
        act(f"{word} {letter}", icon, "exclude", lambda root: tree.excluded(root, node_id))
        act(f"Duplicate {letter}", "content_copy", "copy", lambda root: tree.duplicated(root, node_id))
        act(f"Remove {letter}", "delete", "remove", lambda root: tree.removed(root, node_id))
        st.button("Done", key=f"done-{node_id}", on_click=self._open, args=(None,))

    # -- And | Or | Exclude --------------------------------------------------------------------------------------------

    def _strip(self) -> None:
        """The kinds of criteria open below the strip and not over the page: the next Tab is in them."""
        held = self.held
        with st.container(horizontal=True, key="add-strip", width="content", gap=None):
            for how in ADDS:
                icon = ":material/remove:" if how == "exclude" else None
                st.button(
                    how.capitalize(), type="tertiary", icon=icon, key=f"add-{how}", on_click=self._ask, args=(how,)
                )
        if held.adding:
            with st.container(key="picker", border=True, gap="small"):
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.markdown(f"**{ADDS[held.adding]}**", width="content")
                    st.space("stretch")
                    st.button("Close", icon=":material/close:", type="tertiary", key="act-close-picker",
                              on_click=self._ask, args=("",))  # fmt: skip
                self._picker(held.adding)

    def _ask(self, how: str) -> None:
        self.held.adding = "" if how == self.held.adding else how

    def _picker(self, how: str) -> None:
        """The kinds of criteria by group: one click adds a card."""
        for group, cards in kinds().items():
            key = f"new-{how}-{group}-{len(self.held.done)}"
            st.pills(
                group,
                list(cards),
                key=key,
                on_change=lambda key=key, cards=cards: self._add(how, cards[session.shown(key)]),
            )

    def _add(self, how: str, start: Node) -> None:
        fresh: Node = tree.with_ids(start, fresh=True)
        self.held.open, self.held.adding = fresh["id"], ""
        self.change(lambda root: tree.added(root, how, fresh))


ADDS = {
    "and": "Members satisfy this too",
    "or": "Or they satisfy this",
    "exclude": "Without those who satisfy this",
}
"""How a criterion is added, and what that means."""
MEANING = {
    "alone": "This criterion alone in the universe",
    "here": "How many remain at this point",
    "only because of it": "Minus: it keeps so many out. Plus: it brings so many in.",
}


def kinds() -> dict[str, dict[str, Node]]:
    """What new cards start from, by group and name."""
    found: dict[str, dict[str, Node]] = {group: {} for group in GROUPS}
    for kind in CRITERIA.values():
        if kind.GROUP:
            found.setdefault(kind.GROUP, {}).update({name: dict(start) for name, start in kind.CARDS.items()})
    return found


def _within(problem: Problem, path: str) -> bool:
    return problem.path == path or problem.path.startswith(f"{path}.")


def complete(node: Node) -> Criterion | None:
    """The criterion of a node, None while it is incomplete."""
    try:
        return CRITERIA[node["type"]].model_validate(tree.without_ids(node))
    except ValueError:
        return None


def headline(node: Node) -> str:
    """What a criterion asks, its names and values bold: HTML."""
    kind, criterion = CRITERIA[node["type"]], complete(node)
    if criterion is None:
        name = kind.title(node).partition(" · ")[2]
        return f"<b>{html.escape(name)}</b>, not complete yet"
    scope = [field for field in keys_of(kind) if picked(kind.asked(field, node)) in SCOPE_PICKS]
    aside = ["when", *scope] if criterion.sentence_without("when", *scope) else scope
    text = html.escape(named(criterion.sentence_without(*aside), node), quote=False)
    text = QUOTED.sub(r"<b>\1</b>", text)
    return text[:1].upper() + text[1:]


def named(text: str, node: Node) -> str:
    """A sentence with the name of an audience in place of its id."""
    known = session.audience_names(session.me().id)
    audience_id = node.get("audience")
    return text.replace(f"“{audience_id}”", f"“{known[audience_id]}”") if audience_id in known else text


def source(kind: type[Criterion], node: Node, spaces: list[str]) -> list[tuple[str, str]]:
    """Icon and words of where a criterion reads; of profiles, the first of the audience's workspaces unless it says."""
    fields = {picked(kind.asked(field, node)): field for field in keys_of(kind)}
    if "workspaces" in fields:
        return [("apartment", node.get(fields["workspaces"]) or next(iter(spaces), "First workspace"))]
    if "inputs" in fields:
        return [("devices", ", ".join(node.get(fields["inputs"]) or ["All inputs"]))]
    return []


def windows(criterion: Criterion, now: datetime) -> list[str]:
    """A criterion's time in words, with its interval: "in the last 30 days (24 Oct 13:00 – 23 Nov 13:00 UTC)"."""
    now_ms = round(now.timestamp() * 1000)
    found = [value for name in type(criterion).model_fields if isinstance(value := getattr(criterion, name), Window)]
    words = []
    for each in found:
        interval = interval_words(*each.bounds(now_ms), now)
        words.append(f"{each.sentence} ({interval})" if interval else each.sentence)
    return words


def _icon(name: str) -> str:
    return f'<span class="icon" aria-hidden="true">{name}</span>'


def signed(number: int) -> str:
    """ "+1,204", "−316", "0"."""
    return f"{'−' if number < 0 else '+' if number > 0 else ''}{abs(number):,}"
