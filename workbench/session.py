"""What a session holds: the only module that touches st.session_state and the caches."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from core import Audience, CoreError, Dataset, DefinitionError, Evaluation, Problem
from core.registry import Person, Registry
from workbench import home

Node = dict[str, Any]
UNDO_LIMIT = 100


@st.cache_resource
def _dataset(path: str) -> Dataset:
    return Dataset.open(path)


def dataset() -> Dataset | None:
    """The account's dataset at its newest version; None while there is none."""
    path = home.dataset_path()
    return _dataset(str(path.absolute())).refresh() if path.exists() else None


def registry() -> Registry:
    """The registry of the home."""
    return home.registry()


def me() -> Person:
    """Who uses the app."""
    return registry().people.local()


def clock() -> datetime:
    """The present moment: what every change is dated by."""
    return datetime.now(UTC)


def named_by(audience: Audience) -> dict[str, Audience]:
    """The definitions in force of the audiences that one names."""
    return registry().audiences.named_by(audience, me())


def moment(data: Dataset) -> datetime:
    """The `now` of this page: the as-of rule, at full minutes so that what was computed serves again."""
    clock = datetime.now(UTC).replace(second=0, microsecond=0)
    return data.as_of(clock)


def as_of_words(data: Dataset, now: datetime) -> str:
    """ "as of 30 Jun 2026 12:00 UTC", and where that is the end of the data."""
    text = f"as of {now:%-d %b %Y %H:%M} UTC"
    return f"{text}, end of data" if now == data.end else text


@st.cache_data(max_entries=500, show_spinner=False)
def size_of(path: str, version: int, document: str, others: str, now: datetime) -> tuple[int, int]:
    """Members and universe of an audience; remembered by what they depend on."""
    audiences = {key: Audience.from_dict(each) for key, each in json.loads(others).items()}
    result = _dataset(path).evaluate(Audience.from_dict(json.loads(document)), now=now, audiences=audiences)
    return result.size, result.universe


def size(data: Dataset, audience: Audience, now: datetime) -> tuple[int, int]:
    """Members and universe of an audience."""
    others = {key: each.to_dict() for key, each in named_by(audience).items()}
    return size_of(str(data.path), data.version, json.dumps(audience.to_dict()), json.dumps(others), now)


@st.cache_data(max_entries=500, show_spinner=False)
def names(path: str, version: int, kind: str, workspaces: tuple[str, ...]) -> list[tuple[str, int]]:
    """Names of a kind in the catalog of some workspaces with how many profiles, most frequent first."""
    counted: dict[str, int] = {}
    for row in _dataset(path).catalog().iter_rows(named=True):
        if row["kind"] == kind and row["workspace"] in workspaces and row["name"] is not None:
            counted[row["name"]] = counted.get(row["name"], 0) + row["profiles"]
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))


@st.cache_data(max_entries=500, show_spinner=False)
def values(
    path: str, version: int, kind: str, name: str, workspace: str, event: tuple[str, str | None] | None
) -> list[tuple[str, int]]:
    """The most frequent values of a name with how often they occur, at most 1,000."""
    frame = _dataset(path).values(kind, name, workspace=workspace, event=event).head(1000)
    return [(str(value), int(count)) for value, count in frame.rows()]


@dataclass
class Draft:
    """An audience being edited: its document with an id on every node, and what can be undone."""

    audience_id: str
    document: Node
    saved: str
    version: int
    open: str | None = None
    revision: int = 0
    logic_error: str = ""
    undone: list[Node] = field(default_factory=list)
    done: list[Node] = field(default_factory=list)

    @property
    def root(self) -> Node:
        """The tree of nodes, each with its id."""
        root: Node = self.document["definition"]["root"]
        return root

    def plain(self) -> Node:
        """The document without ids."""
        plain: Node = without_ids(self.document)
        return plain

    @property
    def edited(self) -> bool:
        """Whether it differs from what is saved."""
        return json.dumps(self.plain(), sort_keys=True) != self.saved

    def change(self, document: Node) -> None:
        """Go on with another document; the present one can be undone."""
        self.done = [*self.done[-UNDO_LIMIT:], copy.deepcopy(self.document)]
        self.undone = []
        self.document = with_ids(document)

    def step(self, back: bool) -> None:
        """Undo, or redo."""
        source, target = (self.done, self.undone) if back else (self.undone, self.done)
        if source:
            target.append(self.document)
            self.document = source.pop()
            self.revision += 1


def without_ids(value: Any) -> Any:
    """A document without the ids of its nodes."""
    if isinstance(value, dict):
        return {key: without_ids(each) for key, each in value.items() if key != "id"}
    return [without_ids(each) for each in value] if isinstance(value, list) else value


def with_ids(value: Any) -> Any:
    """A document with an id on every node; those that are there stay."""
    if isinstance(value, list):
        return [with_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    marked = {key: with_ids(each) for key, each in value.items()}
    return {"id": uuid.uuid4().hex[:8], **marked} if "type" in marked and _is_node(marked) else marked


def _is_node(value: Node) -> bool:
    from core.criteria import CRITERIA

    return value["type"] in CRITERIA


def leaves(node: Node, path: str = "root", excluded: bool = False) -> Iterator[tuple[str, Node, bool]]:
    """Every leaf with its path, pre-order, and whether it is excluded."""
    if node["type"] in ("and", "or"):
        for at, child in enumerate(node["criteria"]):
            yield from leaves(child, f"{path}.criteria[{at}]", excluded)
    elif node["type"] == "not":
        yield from leaves(node["criterion"], f"{path}.criterion", not excluded)
    else:
        yield path, node, excluded


def draft(audience_id: str) -> Draft:
    """The draft of a kept audience: as it was left, also after a reload."""
    held: Draft | None = st.session_state.get("draft")
    if held is not None and held.audience_id == audience_id:
        return held
    saved = registry().audiences.get(audience_id, me())
    kept = saved.definition.to_dict()
    unsaved = registry().drafts.get(audience_id, me())
    document = unsaved.document if unsaved is not None else kept
    held = Draft(audience_id, with_ids(document), json.dumps(kept, sort_keys=True), saved.version)
    st.session_state["draft"] = held
    return held


def keep(held: Draft) -> None:
    """Keep a draft beside the saved audience, so that a reload finds it."""
    if held.edited:
        registry().drafts.keep(held.audience_id, held.plain(), by=me(), at=clock())
    else:
        registry().drafts.drop(held.audience_id, by=me())


def save(held: Draft) -> None:
    """Save a draft as the audience's newest version; raises DefinitionError when it is invalid, EditConflict."""
    audience = Audience.from_dict(held.plain())
    saved = registry().audiences.save(held.audience_id, audience, by=me(), at=clock(), seen=held.version)
    held.version = saved.version
    held.saved = json.dumps(held.plain(), sort_keys=True)
    keep(held)


@dataclass(frozen=True)
class Answer:
    """What the core says of a draft: an evaluation, or the problems that stand in its way."""

    evaluation: Evaluation | None
    problems: tuple[Problem, ...]
    audience: Audience | None


def answer(data: Dataset, held: Draft, now: datetime) -> Answer:
    """Evaluate a draft, or tell why it cannot be."""
    try:
        audience = Audience.from_dict(held.plain())
        others = named_by(audience)
        return Answer(data.evaluate(audience, now=now, audiences=others), (), audience)
    except DefinitionError as error:
        return Answer(None, error.problems, None)
    except CoreError as error:
        return Answer(None, (Problem("", error.message, error.hint),), None)


def show(key: str, text: str) -> None:
    """Let a text field that is about to be drawn show a text."""
    st.session_state[key] = text


def shown(key: str) -> str:
    """What stands in a text field."""
    return str(st.session_state[key])


def repaint() -> None:
    """Run the fragment again from its start, the whole page where no fragment is running."""
    try:
        st.rerun(scope="fragment")
    except StreamlitAPIException:  # a whole page is being drawn
        st.rerun()
