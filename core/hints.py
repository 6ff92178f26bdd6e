"""Hints: what about a definition is probably not meant. Masks and the data say it, nothing is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from core.criteria import And, Criterion, Not, Or
from core.formula import leaf_letters

if TYPE_CHECKING:
    from core.data.values import Mask
    from core.errors import Problem
    from core.evaluate import Evaluation


@dataclass(frozen=True, slots=True)
class Hint:
    """What is noticed at a node, and the way out (may be empty)."""

    path: str
    message: str
    way_out: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"path": self.path, "message": self.message, "hint": self.way_out}


def hints(
    evaluation: Evaluation, warnings: tuple[Problem, ...] = (), names: Mapping[str, str] | None = None
) -> list[Hint]:
    """What is probably not meant, in the order of the criteria; `warnings` of the check come first.

    `names`: what leaves are called, by path, where it is not their letter in this tree.
    """
    found = [Hint(each.path, each.message, each.hint) for each in warnings]
    return [*found, *_Looking(evaluation, names or {}).hints()]


class _Looking:
    def __init__(self, evaluation: Evaluation, names: Mapping[str, str]) -> None:
        self.evaluation, self.scope = evaluation, evaluation.scope
        self.sizes = {node.path: node for node in evaluation.criteria}
        nodes = list(evaluation.audience.nodes())
        self.leaves = [(path, node) for path, node in nodes if not isinstance(node, And | Or | Not)]
        self.groups = [(path, node) for path, node in nodes if isinstance(node, And | Or)]
        self.names = {**leaf_letters(evaluation.audience.root), **names}

    def hints(self) -> Iterator[Hint]:
        told: set[str] = set()
        for path, node in self.leaves:
            for hint in self._size(path):
                told.add(path)
                yield hint
            yield from (Hint(path, doubt) for doubt in node.doubts(self.scope))
        for path, group in self.groups:
            for hint, paths in self._pairs(path, group):
                told.update(paths)
                yield hint
        for path, _ in self.leaves:
            if path not in told and len(self.leaves) > 1 and self.sizes[path].unique == 0:
                message = f"{self.names[path]} changes nothing: the audience is the same without it."
                yield Hint(path, message, "Remove it, or look at its window and values.")

    def _size(self, path: str) -> Iterator[Hint]:
        size, name = self.sizes[path].size, self.names[path]
        if not size:
            yield Hint(path, f"{name} selects nobody.", "Widen its window, or choose values that the data holds.")
        elif size == self.evaluation.universe and len(self.leaves) > 1:
            so = ", so it changes nothing" if self.sizes[path].unique == 0 else ""
            yield Hint(path, f"{name} selects everybody{so}.", "Remove it, or narrow it.")

    def _pairs(self, path: str, group: And | Or) -> Iterator[tuple[Hint, tuple[str, str]]]:
        """Members of one group that imply each other, or that no profile satisfies together, with the two paths."""
        children = [(f"{path}.{segment}", child) for segment, child in group.children()]
        judged = [(at, child, self.scope.judge(child)) for at, child in children]
        useful = [each for each in judged if each[2].any() and not self._everybody(each[2])]
        for one, other in combinations(useful, 2):
            for hint in self._pair(one, other, isinstance(group, And)):
                yield hint, (one[0], other[0])

    def _pair(
        self, one: tuple[str, Criterion, Mask], other: tuple[str, Criterion, Mask], every: bool
    ) -> Iterator[Hint]:
        (path, _, mine), (beside, _, theirs) = one, other
        a, b = self._name(*one[:2]), self._name(*other[:2])
        if every and not (mine & theirs).any():
            yield Hint(beside, f"Nobody satisfies both {a} and {b}, so the audience is empty.", "Join them with or.")
        elif np.array_equal(mine, theirs):
            yield Hint(beside, f"{a} and {b} select the same people.", "Remove one of them.")
        elif not (mine & ~theirs).any():
            yield self._implied(a, b, (path, a), (beside, b), every)
        elif not (theirs & ~mine).any():
            yield self._implied(b, a, (beside, b), (path, a), every)

    def _implied(self, inner: str, outer: str, narrow: tuple[str, str], wide: tuple[str, str], every: bool) -> Hint:
        path, name = wide if every else narrow
        return Hint(path, f"Everybody who satisfies {inner} satisfies {outer} too: {name} changes nothing here.")

    def _everybody(self, mask: Mask) -> bool:
        return bool((mask == self.scope.universe).all())

    def _name(self, path: str, node: Criterion) -> str:
        """ "B", "not C", "the group of D"."""
        if isinstance(node, Not):
            return f"not {self._name(f'{path}.criterion', node.criterion)}"
        if path in self.names:
            return self.names[path]
        first = next((name for at, name in self.names.items() if at.startswith(f"{path}.")), None)
        return f"the group of {first}" if first else "the empty group"
