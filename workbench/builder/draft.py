"""An audience being edited: as it was left, kept in the registry at every change, undone and redone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import streamlit as st

from core import Audience, CoreError, Dataset, Evaluation
from core.registry import SavedAudience
from workbench import session
from workbench.builder import tree
from workbench.builder.answers import Answer, Steady, answer
from workbench.builder.tree import Node, with_ids, without_ids

UNDO_LIMIT: Final = 100
AS_OF: Final = "as_of"
"""The name of the moment in the address of the page."""

MOMENT: Final = "%Y-%m-%dT%H:%MZ"
"""How it is written there."""


@dataclass
class Draft:
    """The document with an id on every node and row, what can be undone, and the version that the edit began with."""

    audience_id: str | None
    """None: nothing is saved yet, it came in a link."""
    document: Node
    saved: str
    """The document of that version as canonical JSON."""
    version: int
    embedded: Mapping[str, Audience] = field(default_factory=dict)
    """Audiences that came along in a link, by id."""
    open: str | None = None
    adding: str = ""
    """How the criterion will be joined whose kind is being chosen; "" while none is."""
    as_of: datetime | None = None
    logic_text: str = ""
    """A logic line that does not parse, as it was typed."""
    logic_error: str = ""
    undone: list[Node] = field(default_factory=list)
    done: list[Node] = field(default_factory=list)
    _answer: Answer | None = None
    _answered: tuple[object, ...] = ()

    @property
    def key(self) -> str:
        """A key for widgets that belong to this audience."""
        return self.audience_id or "link"

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
        return self.audience_id is None or canonical(self.plain()) != self.saved

    def moment(self, data: Dataset) -> datetime:
        """The moment that every number is of: the chosen one, else now by the as-of rule."""
        return self.as_of or session.moment(data)

    def look_at(self, moment: datetime | None) -> None:
        """Choose the moment that every number is of, None for now; the address of the page tells it."""
        self.as_of = moment
        if moment is not None:
            st.query_params[AS_OF] = moment.strftime(MOMENT)
        elif AS_OF in st.query_params:
            del st.query_params[AS_OF]

    def answer(self, data: Dataset, watched: Callable[[Audience], Steady] | None = None) -> Answer:
        """What the core says of it; asked again only where something changed, and then it is `watched`."""
        now = self.moment(data)
        if self._answer is None or self._answered != (self.document, data.version, now):
            self._answer = answer(data, self.document, now, self.others(), watched)
            self._answered = (self.document, data.version, now)
        return self._answer

    def others(self) -> dict[str, Audience]:
        """The audiences that memberships name, by id: those in force, else those that came along."""
        ids = {node["audience"] for _, node, _ in tree.leaves(self.root) if node.get("audience")}
        if not ids:
            return {}
        known = session.registry().audiences.definitions(session.me(), sorted(ids))
        return {key: each for key, each in self.embedded.items() if key in ids} | known

    def comparable(self) -> dict[str, Audience]:
        """The other audiences, by id."""
        known = session.registry().audiences.definitions(session.me())
        return {key: each for key, each in known.items() if key != self.audience_id}

    def saved_answer(self, data: Dataset) -> Evaluation | None:
        """The saved version at the same moment; None where there is none or it cannot be evaluated."""
        if self.audience_id is None:
            return None
        try:
            audience = Audience.from_dict(json.loads(self.saved))
            return data.evaluate(audience, now=self.moment(data), audiences=session.named_by(audience))
        except CoreError:
            return None

    # -- changes -------------------------------------------------------------------------------------------------------

    def change(self, document: Node) -> None:
        """Go on with another document; the present one can be undone."""
        self.done = [*self.done[-UNDO_LIMIT:], self.document]
        self.undone = []
        self.document = document
        self._went_on()

    def step(self, back: bool) -> None:
        """Undo, or redo."""
        source, target = (self.done, self.undone) if back else (self.undone, self.done)
        if source:
            target.append(self.document)
            self.document = source.pop()
            self._went_on()

    def _went_on(self) -> None:
        self.logic_text = self.logic_error = ""
        self.keep()

    def keep(self) -> None:
        """Keep what is not saved in the registry, with the version that it began with: a reload finds it."""
        if self.audience_id is None:
            return
        drafts = session.registry().drafts
        if self.edited:
            unsaved = {"document": self.plain(), "version": self.version}
            drafts.keep(self.audience_id, unsaved, by=session.me(), at=session.clock())
        else:
            drafts.drop(self.audience_id, by=session.me())

    def accept(self, saved: SavedAudience) -> None:
        """Go on from a version that was just saved."""
        self.audience_id, self.version = saved.id, saved.version
        self.saved = canonical(saved.definition.to_dict())
        self.keep()


def canonical(document: Node) -> str:
    """A document as one text, keys in order."""
    return json.dumps(document, sort_keys=True)


def moment_asked() -> datetime | None:
    """The moment in the address of the page, None without one; what is none is told."""
    text = st.query_params.get(AS_OF)
    if text is None:
        return None
    try:
        return datetime.strptime(text, MOMENT).replace(tzinfo=UTC)
    except ValueError:
        session.say(f"The moment {text} in the link could not be read; the numbers are of now.")
        return None


def opened(audience_id: str) -> Draft:
    """The draft of a kept audience: as it was left in this session or another one. NotFound."""
    held = session.held("draft")
    if isinstance(held, Draft) and held.audience_id == audience_id:
        return held
    saved = session.registry().audiences.get(audience_id, session.me())
    kept = saved.definition.to_dict()
    unsaved = session.registry().drafts.get(audience_id, session.me())
    fresh = Draft(audience_id, with_ids(kept), canonical(kept), saved.version, as_of=moment_asked())
    if unsaved is not None:
        fresh.document, fresh.version = with_ids(unsaved.document["document"]), unsaved.document["version"]
        if fresh.version != saved.version:
            began = session.registry().versions.get(audience_id, fresh.version, session.me())
            fresh.saved = canonical(began.to_dict())
    session.hold("draft", fresh)
    return fresh


def discarded(audience_id: str) -> Draft:
    """The newest saved version, what was not saved forgotten."""
    session.registry().drafts.drop(audience_id, by=session.me())
    session.hold("draft", None)
    return opened(audience_id)
