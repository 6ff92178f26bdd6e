"""The ground that criteria stand on: the model base and the nodes And, Or, Not.

A criterion is a function from a scope to one Boolean mask, an entry a profile, never null. A leaf has two halves:
`measure(scope)`, one value a profile, and `match(measure, scope)`, which makes it a mask; `judge` is both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

from core.criteria.asked import SCOPE_PICKS, Pick, bare, dated, literals, picked
from core.criteria.dials import turned
from core.criteria.template import fields_of, plain_words, written
from core.data.values import Mask
from core.errors import CoreError, Problem

if TYPE_CHECKING:
    from core.context import Context
    from core.criteria.dials import Dial, Gap
    from core.criteria.doubts import Doubt
    from core.criteria.evidence import Evidence
    from core.criteria.measures import Measure
    from core.data.snapshot import Snapshot
    from core.scope import Scope
    from core.sql import Sql, SqlScope

    Node = Any
    """The union of all criteria, made in `core.criteria` from the classes that exist."""

__all__ = ["GROUPS", "And", "Criterion", "Model", "Not", "Or", "Pick", "walk"]


class Model(BaseModel):
    """A frozen value: hashable, comparable, refused with an unknown key, the same in Python and JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    TEMPLATE: ClassVar[str] = ""
    """How it is asked (`core.criteria.template`): drives the sentence and the rows of a form."""
    WORDS: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """What options of a field are called, where the name itself is no word: {field: {option: words}}."""
    START: ClassVar[Mapping[str, Any]] = {}
    """What a new value starts from in a form."""
    ADDS: ClassVar[Mapping[str, str]] = {}
    """What the button is called that adds to a field, where the field's name is no good name for it."""
    CHOICE: ClassVar[str] = ""
    """What it is called where one of several models is chosen."""

    @classmethod
    def template(cls, data: Mapping[str, Any]) -> str:
        """The template for data of this model, which may be incomplete."""
        return cls.TEMPLATE

    @classmethod
    def asked(cls, field: str, data: Mapping[str, Any]) -> FieldInfo:
        """What a form asks for a field: its annotation and description."""
        return cls._by_key()[field]

    @classmethod
    def options(cls, field: str, data: Mapping[str, Any]) -> tuple[str, ...]:
        """What can be chosen for a field; empty where anything can be written."""
        return literals(cls.asked(field, data).annotation)

    @classmethod
    def option_words(cls, field: str, option: str) -> str:
        """What an option of a field is called."""
        return cls.WORDS.get(field, {}).get(option, plain_words(option))

    @classmethod
    def shape(cls, field: str, data: Mapping[str, Any]) -> str:
        """How a plain value is written: text, texts, number, pair, boolean, version, date, or instant (or date)."""
        if mark := dated(cls.asked(field, data)):
            return "instant" if mark.times else "date"
        return "text" if bare(cls.asked(field, data).annotation)[0] is str else "number"

    @classmethod
    def fitted(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """Data after an edit: without the fields that no longer apply, options that exist in place of others."""
        asked = fields_of(cls.template(data))
        kept = {key: data[key] for key in data if key in asked or key not in cls._dependent()}
        for field in asked:
            options = cls.options(field, kept)
            given = kept.get(field)
            if options and given not in options and (given is not None or cls.asked(field, kept).is_required()):
                kept[field] = options[0]
        return kept

    @classmethod
    def values_of(cls, data: Mapping[str, Any]) -> tuple[str, str] | None:
        """The list of the catalog (kind, name) that suggests values to compare with."""
        return None

    @classmethod
    def _by_key(cls) -> dict[str, FieldInfo]:
        return {info.alias or name: info for name, info in cls.model_fields.items()}

    @classmethod
    def _dependent(cls) -> frozenset[str]:
        """The fields that go when the template no longer asks for them."""
        scope = {key for key, info in cls._by_key().items() if picked(info) in SCOPE_PICKS}
        return frozenset(cls._by_key()) - scope - {"type"}

    def said(self, field: str) -> str:
        """The words of a field in the sentence; "" where it says nothing."""
        value = self._value(field)
        if value is None:
            return ""
        if isinstance(value, str):
            return self.option_words(field, value) if self.options(field, {}) else value
        if isinstance(value, tuple):
            joined = ", " if all(isinstance(each, str) for each in value) else " and "
            return joined.join(each if isinstance(each, str) else each.sentence for each in value)
        return f"{value:g}" if isinstance(value, int | float) else str(value.sentence)

    def _value(self, key: str) -> Any:
        return getattr(self, "from_" if key == "from" else key)

    @property
    def sentence(self) -> str:
        """This value in English."""
        return self.sentence_without()

    def sentence_without(self, *fields: str) -> str:
        """The sentence without some of its fields."""
        return written(self._spoken_template(), self.said, frozenset(fields))

    def _spoken_template(self) -> str:
        return self.template({key: self._value(key) for key in type(self)._by_key()})

    @cached_property
    def canonical(self) -> str:
        """The one text of this value, defaults left out; what is remembered is keyed by it (True and 1 differ)."""
        return self.model_dump_json(by_alias=True, exclude_defaults=True)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.canonical == getattr(other, "canonical", None)

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.canonical))


GROUPS: Final = ("Events", "Users", "Attribution")
"""The groups of criteria, in the order in which they are offered."""


class Criterion(Model):
    """One node of a definition."""

    READS_EVENTS: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Events, by kind and name, that it reads without asking which."""
    GROUP: ClassVar[str] = ""
    """The group of the kind picker."""
    CARDS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """What a new card of this criterion starts from, by its name in the kind picker."""
    QUICK: ClassVar[Mapping[str, tuple[str, tuple[Mapping[str, Any], ...]]]] = {}
    """Rows that many ask for, by the name of their button: the field that they go to, and the rows."""

    @classmethod
    def title(cls, data: Mapping[str, Any]) -> str:
        """ "Events · Custom event": where the kind picker has it."""
        if not cls.CARDS:
            return cls.GROUP
        shared = {name: sum(data.get(key) == start[key] for key in start) for name, start in cls.CARDS.items()}
        return f"{cls.GROUP} · {max(shared, key=lambda name: shared[name])}"

    def judge(self, scope: Scope) -> Mask:
        """Who satisfies this criterion: bool, one a profile. Bits outside the universe are undefined."""
        return self.match(scope.measure(self), scope)

    def measure(self, scope: Scope) -> Measure:
        """The value a profile that `match` compares."""
        raise CoreError(f"A criterion of type {self.kind_of_node} has no number behind it.", "Ask one of its criteria.")

    def match(self, measure: Measure, scope: Scope) -> Mask:
        """The mask of a measure."""
        raise CoreError(f"A criterion of type {self.kind_of_node} has no number behind it.", "Ask one of its criteria.")

    def sql(self, to: SqlScope) -> Sql:
        """`judge` as a condition on `u`, the universe (`core.sql`); SqlError for what cannot be said."""
        from core.sql import refuse

        raise refuse(f"A criterion of type {self.kind_of_node} has no SQL.")

    @property
    def measured(self) -> str:
        """What of this criterion its measure depends on; edits outside of it reuse the measure."""
        return self.canonical

    @property
    def plain(self) -> Criterion:
        """The node that stands in a tree: itself; what notebooks build with answers the node that it built."""
        return self

    @property
    def kind_of_node(self) -> str:
        """The value of `type`."""
        return str(getattr(self, "type", type(self).__name__))

    def evidence(self, scope: Scope, profile: int) -> Evidence | None:
        """What it found of one profile (its index), and which condition fails; None for groups."""
        return None

    def doubts(self, scope: Scope) -> Iterator[Doubt]:
        """What about its data could make it probable that something else was meant: of every shard the same doubts."""
        return iter(())

    def dials(self) -> Iterator[Dial]:
        """Its numbers that can be turned."""
        return iter(())

    def compared_by(self, key: str) -> Criterion:
        """The criterion whose measure holds the numbers with which a dial's setting is compared."""
        return self

    def turned(self, key: str, setting: float) -> Criterion:
        """This criterion with another number at a dial's key; raises pydantic's ValidationError."""
        return type(self).model_validate(turned(self.with_defaults(), key, setting))

    def with_defaults(self) -> dict[str, Any]:
        """Its document, with the parts that its dials stand in."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def gap(self, scope: Scope, wanted: bool) -> Gap | None:
        """How far each profile is from the answer `wanted`; None where that is no question of more or less."""
        return None

    def weaker(self, now_ms: int) -> Iterator[tuple[str, Criterion]]:
        """What asks for less than this, nearest first, each with what those did instead who satisfy only that."""
        return iter(())

    def value_said(self, value: str | None) -> str:
        """A value of its measure, told of somebody whom it keeps out."""
        return "no value" if value is None else f"“{value}”"

    @classmethod
    def properties(cls, snapshot: Snapshot, workspace: str) -> Iterator[tuple[str, Criterion]]:
        """The properties of a workspace's profiles that it measures, by name: what members can be spread over."""
        return iter(())

    def children(self) -> tuple[tuple[str, Criterion], ...]:
        """The nodes below, each with its path segment."""
        return ()

    def with_children(self, children: tuple[Criterion, ...]) -> Criterion:
        """This node over other children, as many as it has."""
        return self

    def problems(self, context: Context, path: str) -> Iterator[Problem]:
        """What a dataset and its settings say against this node itself (not its children)."""
        return iter(())

    def warnings(self, context: Context, path: str) -> Iterator[Problem]:
        """What is allowed but probably not meant."""
        return iter(())

    # Composition for notebooks. There is no `-`: Python binds it tighter than `&`.
    def __and__(self, other: Criterion) -> And:
        if not isinstance(other, Criterion):
            return NotImplemented
        return And.of(*_parts(self, And), *_parts(other, And))

    def __or__(self, other: Criterion) -> Or:
        if not isinstance(other, Criterion):
            return NotImplemented
        return Or.of(*_parts(self, Or), *_parts(other, Or))

    def __invert__(self) -> Criterion:
        return Not(type="not", criterion=self.plain)

    def exclude(self, other: Criterion) -> And:
        """This without `other`: `and[this, not other]`."""
        return self & ~other

    def __bool__(self) -> bool:
        raise TypeError(
            "A criterion is not true or false by itself: write & for and, | for or, ~ for not, "
            "and brackets around each side."
        )


class And(Criterion):
    """Everybody who satisfies every criterion; an empty one is the whole universe."""

    type: Literal["and"]
    criteria: tuple[Node, ...]

    def with_children(self, children: tuple[Criterion, ...]) -> And:
        return And.of(*children)

    @classmethod
    def of(cls, *criteria: Criterion) -> And:
        """The conjunction of criteria."""
        return cls(type="and", criteria=tuple(each.plain for each in criteria))

    def children(self) -> tuple[tuple[str, Criterion], ...]:
        return tuple((f"criteria[{at}]", node) for at, node in enumerate(self.criteria))

    def judge(self, scope: Scope) -> Mask:
        return reduce(np.logical_and, map(scope.judge, self.criteria)) if self.criteria else scope.universe

    def sql(self, to: SqlScope) -> Sql:
        return to.all_of(criterion.sql(to) for criterion in self.criteria)

    @property
    def sentence(self) -> str:
        return _phrase(self)


class Or(Criterion):
    """Everybody who satisfies at least one criterion; an empty one is nobody."""

    type: Literal["or"]
    criteria: tuple[Node, ...]

    def with_children(self, children: tuple[Criterion, ...]) -> Or:
        return Or.of(*children)

    @classmethod
    def of(cls, *criteria: Criterion) -> Or:
        """The disjunction of criteria."""
        return cls(type="or", criteria=tuple(each.plain for each in criteria))

    def children(self) -> tuple[tuple[str, Criterion], ...]:
        return tuple((f"criteria[{at}]", node) for at, node in enumerate(self.criteria))

    def judge(self, scope: Scope) -> Mask:
        none = np.zeros(scope.size, np.bool_)
        return reduce(np.logical_or, map(scope.judge, self.criteria)) if self.criteria else none

    def sql(self, to: SqlScope) -> Sql:
        return to.any_of(criterion.sql(to) for criterion in self.criteria)

    @property
    def sentence(self) -> str:
        return _phrase(self)


class Not(Criterion):
    """The universe without the criterion's people: "exclude" in the app."""

    type: Literal["not"]
    criterion: Node

    def children(self) -> tuple[tuple[str, Criterion], ...]:
        return (("criterion", self.criterion),)

    def with_children(self, children: tuple[Criterion, ...]) -> Not:
        return Not(type="not", criterion=children[0])

    def judge(self, scope: Scope) -> Mask:
        return ~scope.judge(self.criterion)

    def sql(self, to: SqlScope) -> Sql:
        return to.opposite(self.criterion.sql(to))

    @property
    def sentence(self) -> str:
        return _phrase(self)


def _phrase(node: Criterion) -> str:
    from core.criteria.sentences import phrase

    return phrase(node)


def _parts(node: Criterion, kind: type[And] | type[Or]) -> tuple[Criterion, ...]:
    return node.criteria if isinstance(node, kind) else (node,)


def walk(root: Criterion, path: str = "root") -> Iterator[tuple[str, Criterion]]:
    """Every node with its path, pre-order; sequence steps are no nodes of their own."""
    yield path, root
    for segment, child in root.children():
        yield from walk(child, f"{path}.{segment}")


def replaced(root: Criterion, path: str, node: Criterion) -> Criterion:
    """The tree with another node at a path such as `root.criteria[0]`; a path that leads nowhere is a KeyError."""
    return node if path == "root" else _replaced(root, path.split(".")[1:], node)


def _replaced(at: Criterion, segments: list[str], node: Criterion) -> Criterion:
    children = dict(at.children())
    below = children[segments[0]]
    children[segments[0]] = node if len(segments) == 1 else _replaced(below, segments[1:], node)
    return at.with_children(tuple(children.values()))
