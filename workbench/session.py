"""What a session holds: the only module that touches st.session_state and the caches."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from core import Audience, CoreError, Dataset, Evaluation, suggest
from core.entries import Entry
from core.registry import Person, Registry
from core.suggest import Suggestion
from workbench import home
from workbench.builder.tree import with_ids, without_ids

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


@st.cache_data(ttl=5, show_spinner=False)
def audience_names(person: str) -> dict[str, str]:
    """The names of the audiences that a person sees, by id; looked up again after some seconds."""
    return {each.id: each.name for each in registry().audiences.list(me(), clock())}


def named_by(audience: Audience) -> dict[str, Audience]:
    """The definitions in force of the audiences that one names."""
    return registry().audiences.named_by(audience, me())


def moment(data: Dataset, held: Draft | None = None) -> datetime:
    """The `now` of this page: what was chosen, else the as-of rule at full minutes, so that answers serve again."""
    if held is not None and held.as_of is not None:
        return held.as_of
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


@st.cache_resource(max_entries=4, show_spinner="Reading the names in your data")
def entries(path: str, version: int) -> list[Entry]:
    """The catalog of a dataset's version. Not to be changed."""
    data = _dataset(path)
    return data.entries(now=data.end or datetime.now(UTC))


@st.cache_resource(max_entries=500, show_spinner=False)
def names(
    path: str, version: int, source: str, workspaces: tuple[str, ...], event: tuple[str, str | None]
) -> list[Suggestion]:
    """The names of a list in some workspaces, most frequent first. Not to be changed."""
    return suggest.names(entries(path, version), source, workspaces, event)


@st.cache_resource(max_entries=500, show_spinner=False)
def values(
    path: str, version: int, kind: str, name: str, workspaces: tuple[str, ...], event: tuple[str, str | None] | None
) -> suggest.Values:
    """The values of a name in some workspaces. Not to be changed."""
    return _dataset(path).suggested(kind, name, workspaces, event)


@dataclass
class Draft:
    """An audience being edited: its document with an id on every node, and what can be undone."""

    audience_id: str
    document: Node
    saved: str
    version: int
    open: str | None = None
    as_of: datetime | None = None
    logic_text: str = ""
    """A logic line that does not parse, as it was typed."""
    logic_error: str = ""
    answer: Any = None
    """What the core said of `answered_for` at `answered_at` (dataset version and now)."""
    answered_for: Node | None = None
    answered_at: tuple[int, datetime] | None = None
    drawn: Any = None
    """The answer whose charts were drawn, or are about to be."""
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

    def saved_answer(self, data: Dataset, now: datetime) -> Evaluation | None:
        """The saved version at a moment; None where it cannot be evaluated."""
        try:
            audience = Audience.from_dict(json.loads(self.saved))
            return data.evaluate(audience, now=now, audiences=named_by(audience))
        except CoreError:
            return None

    def change(self, document: Node) -> None:
        """Go on with another document; the present one can be undone."""
        self.done = [*self.done[-UNDO_LIMIT:], self.document]
        self.undone = []
        self.document = document

    def step(self, back: bool) -> None:
        """Undo, or redo."""
        source, target = (self.done, self.undone) if back else (self.undone, self.done)
        if source:
            target.append(self.document)
            self.document = source.pop()


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


def put(key: str, value: Any) -> None:
    """Let a control that is about to be drawn show a value."""
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value


def shown(key: str) -> Any:
    """What a control holds."""
    return st.session_state[key]


def say(text: str) -> None:
    """A message that the next run shows once."""
    st.session_state["said"] = [*st.session_state.get("said", []), text]


def said() -> list[str]:
    """The messages that were not shown yet."""
    return list(st.session_state.pop("said", []))


def later() -> None:
    """End this run of a fragment here, and run it again after the edits that wait; a whole page just goes on."""
    with suppress(StreamlitAPIException):  # a whole page is being drawn
        st.rerun(scope="fragment")
