"""The builder: cards A, B, C on a rail, the logic line, and the answers beside them."""

from __future__ import annotations

import copy
import html
from datetime import datetime
from typing import get_args

import streamlit as st

from core import Audience, Dataset, DefinitionError, Evaluation, FormulaError, Problem
from core.criteria import CRITERIA, Criterion
from core.formula import letters, parse_formula, to_formula
from workbench import panel, session
from workbench.forms import Asking, Value, form, words

EVENT_KINDS = [each for each in get_args(CRITERIA["event"].model_fields["kind"].annotation) if each != "any"]
START: dict[str, Value] = {
    **{f"Events · {words(kind)}": {"type": "event", "kind": kind} for kind in EVENT_KINDS},
    "Events · anything": {"type": "event", "kind": "any"},
    "Events · cart abandonment": {"type": "cart_abandonment", "wait": {"amount": 4, "unit": "days"}},
    "Events · sequence": {"type": "sequence", "steps": [{"type": "event", "kind": "custom"}]},
    "Users · attribute": {"type": "user_attribute", "attribute": "", "operator": "exists"},
    "Users · calculated attribute": {"type": "calculated_attribute", "name": "", "operator": "exists"},
    "Users · audience membership": {"type": "audience_membership", "audience": "", "operator": "in"},
    "Users · consent": {"type": "consent", "regulation": "gdpr", "purpose": "advertising", "state": "given"},
    "Users · device, OS, carrier": {"type": "device", "field": "platform", "operator": "exact_match", "value": "iOS"},
    "Users · first seen": {"type": "first_seen", "when": {"type": "within_last", "amount": 30, "unit": "days"}},
    "Users · last seen": {"type": "last_seen", "when": {"type": "within_last", "amount": 30, "unit": "days"}},
    "Users · location": {"type": "location", "operator": "equals", "country": "FR"},
    "Users · identities": {"type": "identity", "identity_type": "email", "operator": "exists"},
    "Attribution · install": {"type": "attribution", "event": "install"},
    "Attribution · uninstall": {"type": "attribution", "event": "uninstall"},
}
"""What a new card starts from, by the group and words of the kind picker."""


def asking(data: Dataset, document: Value) -> Asking:
    """Suggestions from the catalog of the audience's workspaces."""
    path, version, spaces = str(data.path), data.version, tuple(document["workspaces"])

    def names(source: str, node: Value) -> list[str]:
        kinds = {"user_attributes": "user_attribute", "identity_types": "identity", "consent_purposes": "consent"}
        if source == "event_names":
            kinds[source] = str(node.get("kind", "custom"))
        if source in kinds:
            return [name for name, _ in session.names(path, version, kinds[source], spaces)]
        if source == "event_attributes":
            return data.event_attributes(spaces)
        if source == "workspaces":
            return list(spaces)
        if source == "inputs":
            return document.get("inputs") or [each for space in spaces for each in data.workspaces[space].inputs]
        if source == "calculated_attributes":
            return [each for space in spaces for each in data.workspaces[space].calculated_attributes]
        if source != "audiences":
            return []
        return [each.id for each in session.registry().audiences.list(session.me(), session.clock())]

    def values(node: Value) -> list[str]:
        kind = {"user_attribute": "attribute", "identity": "identity_type", "device": "field"}.get(node.get("type", ""))
        if kind is None or not node.get(kind):
            return []
        space = node.get("workspace") or spaces[0]
        found = session.values(path, version, node["type"], node[kind], space, None)
        return [value for value, _ in found]

    return Asking(names, values)


class Builder:
    """One run of the builder over a draft."""

    def __init__(self, data: Dataset, held: session.Draft, now: datetime) -> None:
        self.data, self.held, self.now = data, held, now
        self.answer = session.answer(data, held, now)
        sizes = self.answer.evaluation.criteria if self.answer.evaluation else []
        self.sizes = {node.path: node for node in sizes}
        self.leaves = list(session.leaves(held.root))
        self.letters = dict(zip((path for path, _, _ in self.leaves), letters(), strict=False))
        self.ask = asking(data, held.document)

    # -- changes ---------------------------------------------------------------------------------------------------

    def put(self, document: Value) -> None:
        """Go on with another document."""
        self.held.change(document)
        session.keep(self.held)

    def replace(self, node_id: str, node: Value | None) -> None:
        """Put another node in a node's place, or remove it."""
        document = copy.deepcopy(self.held.document)
        root = _replaced(document["definition"]["root"], node_id, node)
        document["definition"]["root"] = root or {"type": "and", "criteria": []}
        self.put(document)

    def add(self, how: str, start: Value) -> None:
        """Add a card: and, or, exclude."""
        document, root = copy.deepcopy(self.held.document), copy.deepcopy(self.held.root)
        fresh: Value = session.with_ids(copy.deepcopy(start))
        self.held.open = fresh["id"]
        new = fresh if how != "Exclude" else session.with_ids({"type": "not", "criterion": fresh})
        kind = "or" if how == "Or" else "and"
        empty = root["type"] in ("and", "or") and not root["criteria"]
        if empty and how != "Exclude":
            root = session.with_ids({"type": "and", "criteria": [new]})
        elif root["type"] == kind or (root["type"] in ("and", "or") and len(root["criteria"]) == 1):
            root = {**root, "type": kind, "criteria": [*root["criteria"], new]}
        else:
            root = session.with_ids({"type": kind, "criteria": [root, new]})
        document["definition"]["root"] = root
        self.put(document)

    # -- what is drawn ---------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """The builder at the left, the answers at the right."""
        left, right = st.columns([7, 3], gap="large")
        with left:
            self._cards()
            self._logic()
        with right:
            self._panel()

    def _cards(self) -> None:
        with st.container(key="rail"):
            if not self.leaves:
                st.info("No criterion yet: everybody in the workspaces is a member. Add the first below.")
            for at, (path, node, excluded) in enumerate(self.leaves):
                if at or excluded:
                    self._join(path, node, excluded)
                self._card(path, node, excluded)
            with st.container(horizontal=True, key="add-strip", width="content", gap=None):
                for how in ("And", "Or", "Exclude"):
                    with st.popover(how, type="tertiary"):
                        chosen = st.selectbox(
                            f"{how}: what", list(START), index=None, key=f"new-{how}-{len(self.held.done)}",
                            placeholder="Search a kind of criterion",
                        )  # fmt: skip
                        if chosen:
                            self.add(how, START[chosen])
                            session.repaint()

    def _join(self, path: str, node: Value, excluded: bool) -> None:
        parent = path.removesuffix(".criterion").rpartition(".")[0]
        group = _at(self.held.root, parent)
        word = "exclude" if excluded else str(group.get("type", "and"))
        mark = "x" if excluded else ""
        with st.container(key=f"join-{mark}{node['id']}"):
            st.button(
                word, type="tertiary", key=f"toggle-{node['id']}", disabled=excluded, width="content",
                help=None if excluded else "Click to change between and / or",
                on_click=self._toggle, args=(parent,),
            )  # fmt: skip

    def _toggle(self, path: str) -> None:
        document = copy.deepcopy(self.held.document)
        group = _at(document["definition"]["root"], path)
        if group.get("type") in ("and", "or"):
            group["type"] = "or" if group["type"] == "and" else "and"
            self.put(document)

    def _card(self, path: str, node: Value, excluded: bool) -> None:
        letter, opened = self.letters[path], self.held.open == node["id"]
        with st.container(border=True, key=f"crit-{'open-' if opened else ''}{node['id']}"):
            colour = " on" if opened else " x" if excluded else ""
            with st.container(horizontal=True, vertical_alignment="center"):
                st.html(f'<div class="node{colour}">{letter}</div>')
                with st.container():
                    st.markdown(_sentence(node))
                st.html(self._numbers(path), width="content")
                if not opened:
                    st.button(
                        f"Edit {letter}", icon=":material/expand_more:", type="tertiary", key=f"edit-{node['id']}",
                        on_click=self._open, args=(node["id"],),
                    )  # fmt: skip
            for problem in self._problems(path):
                st.error(f"**{problem.message}** {problem.hint}")
            if opened:
                self._open_card(path, node, letter)

    def _open_card(self, path: str, node: Value, letter: str) -> None:
        key = f"{node['id']}-{self.held.revision}"
        edited = form(CRITERIA[node["type"]], node, key, self.ask)
        self._curve(path, node)
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(f"Remove {letter}", icon=":material/delete:", type="tertiary", key=f"remove-{node['id']}"):
                self.replace(node["id"], None)
                session.repaint()
            st.button("Done", key=f"close-done-{node['id']}", on_click=self._open, args=(None,))
        if session.without_ids(edited) != session.without_ids(_given(node)):
            self.replace(node["id"], {"id": node["id"], **edited})
            session.repaint()

    def _open(self, node_id: str | None) -> None:
        self.held.open = node_id

    def _problems(self, path: str) -> list[Problem]:
        return [each for each in self.answer.problems if each.path == path or each.path.startswith(f"{path}.")]

    def _numbers(self, path: str) -> str:
        node = self.sizes.get(path)
        if node is None or self.answer.evaluation is None:
            return '<div class="nums"><span>–</span><span>–</span><span>–</span></div>'
        share = 100 * node.size / max(self.answer.evaluation.universe, 1)
        only = -node.unique
        return (
            f'<div class="nums"><span title="this criterion alone in the universe"><small>alone</small>{node.size:,}'
            f'<i style="--w:{share:.1f}%"></i></span>'
            f'<span title="remaining at this point"><small>here</small><b>{node.here:,}</b></span>'
            f'<span title="minus keeps people out, plus brings people in"><small>only because of it</small>'
            f"{_signed(only)}</span></div>"
        )

    def _logic(self) -> None:
        held = self.held
        audience = self.answer.audience or _readable(held)
        if audience is None:
            return
        text = to_formula(audience.root)
        session.show("logic", text)
        st.text_input("Logic", key="logic", help="Enter applies it", on_change=self._apply, args=(audience.root,))
        if held.logic_error:
            st.error(held.logic_error)
        st.caption(audience.sentence)

    def _apply(self, root: Criterion) -> None:
        held, text = self.held, session.shown("logic")
        try:
            tree = parse_formula(text, root, allow_unused=True)
        except FormulaError as error:
            held.logic_error = f"{error.message} (column {error.column}) The last good logic stays."
            return
        held.logic_error = ""
        document = copy.deepcopy(held.document)
        document["definition"]["root"] = tree.model_dump(mode="json", by_alias=True, exclude_unset=True)
        self.put(document)

    def _panel(self) -> None:
        result = self.answer.evaluation
        with st.container(key="panel"):
            with st.container(key="panel-size"):
                if result is None:
                    st.metric("Members", "–")
                    for problem in self.answer.problems:
                        st.error(str(problem))
                    return
                st.metric("Members", f"{result.size:,}")
                share = f"{100 * result.size / result.universe:.1f} % of the universe" if result.universe else ""
                st.caption(
                    f"{share} · {result.universe:,} profiles · exact · {session.as_of_words(self.data, self.now)}"
                )
                panel.changes(self._look(result))
            with st.container(key="panel-more"):
                self._more(result)

    def _look(self, result: Evaluation) -> panel.Look:
        def others() -> dict[str, Audience]:
            known = session.registry().audiences.definitions(session.me())
            return {key: each for key, each in known.items() if key != self.held.audience_id}

        named = session.named_by(result.audience)
        warnings = result.audience.check(self.data, named).warnings
        return panel.Look(self.data, result, f"panel-{self.held.audience_id}", named, warnings=warnings, others=others)

    def _curve(self, path: str, node: Value) -> None:
        result = self.answer.evaluation
        if result is None or not panel.has_curve(look := self._look(result), path):
            return
        with st.expander("Size against its numbers", key=f"curve-{node['id']}", on_change="rerun") as shown:
            if shown.open:

                def pick(document: Value) -> None:
                    self.replace(node["id"], {"id": node["id"], **document})
                    session.repaint()

                panel.curve_block(look, path, pick)

    def _more(self, result: Evaluation) -> None:
        panel.more(self._look(result))
        name = f"{self.held.audience_id}.csv"
        st.download_button("Download members (CSV)", result.members.write_csv, name, "text/csv", on_click="ignore")


def _signed(number: int) -> str:
    return f"{'−' if number < 0 else '+' if number > 0 else ''}{abs(number):,}"


def _sentence(node: Value) -> str:
    try:
        criterion = CRITERIA[node["type"]].model_validate(session.without_ids(node))
    except ValueError:
        return f"**{words(node['type']).capitalize()}**, not complete yet"
    text = html.escape(criterion.sentence, quote=False)
    return text[:1].upper() + text[1:]


def _given(node: Value) -> Value:
    """A node without keys that say nothing."""
    return {key: value for key, value in node.items() if value not in (None, [], "")}


def _readable(held: session.Draft) -> Audience | None:
    try:
        return Audience.from_dict(held.plain())
    except DefinitionError:
        return None


def _at(root: Value, path: str) -> Value:
    node: Value = root
    for part in path.split(".")[1:]:
        node = node["criterion"] if part == "criterion" else node["criteria"][int(part[9:-1])]
    return node


def _replaced(node: Value, node_id: str, new: Value | None) -> Value | None:
    """The tree with another node in a node's place; groups that lose their last node go with it."""
    if node.get("id") == node_id:
        return new
    if node["type"] in ("and", "or"):
        kept = [each for child in node["criteria"] if (each := _replaced(child, node_id, new)) is not None]
        return {**node, "criteria": kept} if kept or not node["criteria"] else None
    if node["type"] == "not":
        inner = _replaced(node["criterion"], node_id, new)
        return None if inner is None else {**node, "criterion": inner}
    return node
