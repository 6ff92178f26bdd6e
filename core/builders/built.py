"""What a builder is: a criterion that can still be narrowed; in a tree stands the node that it built."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import SerializationInfo, model_serializer

from core.builders.operators import fields_of, made, refused
from core.criteria import Criterion
from core.criteria.measures import Measure
from core.data.values import Mask
from core.scope import Scope

B = TypeVar("B", bound="Built")


class Built(Criterion):
    """A criterion under construction: frozen, each method gives another one. `plain` is the node."""

    node: Criterion

    @property
    def plain(self) -> Criterion:
        return self.node

    @model_serializer(mode="plain")
    def _as_node(self, info: SerializationInfo) -> dict[str, Any]:
        return self.node.model_dump(
            mode=info.mode, by_alias=True, exclude_unset=info.exclude_unset, exclude_defaults=info.exclude_defaults
        )

    def measure(self, scope: Scope) -> Measure:
        return self.node.measure(scope)

    def match(self, measure: Measure, scope: Scope) -> Mask:
        return self.node.match(measure, scope)

    def judge(self, scope: Scope) -> Mask:
        return self.node.judge(scope)

    @property
    def kind_of_node(self) -> str:
        return self.node.kind_of_node

    @property
    def sentence(self) -> str:
        return self.node.sentence


def changed(built: B, **changes: Any) -> B:
    """The builder with keys of its node changed; DefinitionError when they do not fit."""
    node = made(type(built.node), {**fields_of(built.node), **changes})
    return type(built)(node=node)


def once(built: Built, key: str, value: Any) -> dict[str, Any]:
    """A key that can be given only once, as a change; DefinitionError the second time."""
    if fields_of(built.node).get(key) is not None:
        raise refused(f"`{key}` is given twice.", "Each method of its kind can be called once.")
    return {key: value}
