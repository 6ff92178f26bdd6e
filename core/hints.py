"""Hints: what about a definition is probably not meant. Masks and the data say it, nothing is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from core.criteria import And, Criterion, Not, Or
from core.criteria.doubts import Doubt
from core.formula import leaf_letters
from core.scope import Steps

if TYPE_CHECKING:
    from core.errors import Problem
    from core.evaluate import Evaluation
    from core.scope import Scope

Child = tuple[str, Criterion]
"""A node with its path."""
Progress = Callable[[int, int], None]


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
    evaluation: Evaluation,
    warnings: tuple[Problem, ...] = (),
    names: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> list[Hint]:
    """What is probably not meant, in the order of the criteria; `warnings` of the check come first.

    `names`: what leaves are called, by path, where it is not their letter in this tree. `progress(done, total)` is
    called while the data is looked at; what it raises stops the work.
    """
    found = [Hint(each.path, each.message, each.hint) for each in warnings]
    return [*found, *_Looking(evaluation, names or {}, progress).hints()]


def _doubts(node: Criterion, scope: Scope) -> tuple[Doubt, ...]:
    return tuple(node.doubts(scope))


class _Looking:
    def __init__(self, evaluation: Evaluation, names: Mapping[str, str], progress: Progress | None) -> None:
        self.evaluation = evaluation
        self.sizes = {node.path: node for node in evaluation.criteria}
        nodes = list(evaluation.audience.nodes())
        self.leaves = [(path, node) for path, node in nodes if not isinstance(node, And | Or | Not)]
        self.groups = [(path, node) for path, node in nodes if isinstance(node, And | Or)]
        self.names = {**leaf_letters(evaluation.audience.root), **names}
        self.doubts: dict[str, tuple[Doubt, ...]] = {}
        self.both: Counter[tuple[str, str]] = Counter()
        """How many satisfy two members of one group."""
        steps = Steps(progress, evaluation.part_count)
        for scope, _ in evaluation.parts(steps):
            self._look(scope)
            steps.next()

    def _look(self, scope: Scope) -> None:
        """What one shard says of leaves and of pairs."""
        for path, node in self.leaves:
            found = scope.once(("doubts", node.canonical), partial(_doubts, node, scope))
            known = self.doubts.get(path)
            self.doubts[path] = (
                found if known is None else tuple(one.joined(other) for one, other in zip(known, found, strict=True))
            )
        for path, group in self.groups:
            for (one, node), (other, beside) in self._useful_pairs(path, group):
                self.both[one, other] += int(np.count_nonzero(scope.judge(node) & scope.judge(beside)))

    def hints(self) -> Iterator[Hint]:
        told: set[str] = set()
        for path, _ in self.leaves:
            for hint in self._size(path):
                told.add(path)
                yield hint
            yield from (Hint(path, each.said) for each in self.doubts[path] if each.said is not None)
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

    def _useful_pairs(self, path: str, group: And | Or) -> Iterator[tuple[Child, Child]]:
        """Every two members of a group that select somebody, and not everybody."""
        children = [(f"{path}.{segment}", child) for segment, child in group.children()]
        yield from combinations([each for each in children if 0 < self._people(each[0]) < self.evaluation.universe], 2)

    def _pairs(self, path: str, group: And | Or) -> Iterator[tuple[Hint, tuple[str, str]]]:
        """Members of one group that imply each other, or that no profile satisfies together, with the two paths."""
        for one, other in self._useful_pairs(path, group):
            for hint in self._pair(one, other, isinstance(group, And)):
                yield hint, (one[0], other[0])

    def _pair(self, one: Child, other: Child, every: bool) -> Iterator[Hint]:
        path, beside = one[0], other[0]
        both, mine, theirs = self.both[path, beside], self._people(path), self._people(beside)
        a, b = self._name(*one), self._name(*other)
        if every and not both:
            yield Hint(beside, f"Nobody satisfies both {a} and {b}, so the audience is empty.", "Join them with or.")
        elif both == mine == theirs:
            yield Hint(beside, f"{a} and {b} select the same people.", "Remove one of them.")
        elif both == mine:
            yield self._implied(a, b, (path, a), (beside, b), every)
        elif both == theirs:
            yield self._implied(b, a, (beside, b), (path, a), every)

    def _implied(self, inner: str, outer: str, narrow: tuple[str, str], wide: tuple[str, str], every: bool) -> Hint:
        path, name = wide if every else narrow
        return Hint(path, f"Everybody who satisfies {inner} satisfies {outer} too: {name} changes nothing here.")

    def _people(self, path: str) -> int:
        return self.sizes[path].size

    def _name(self, path: str, node: Criterion) -> str:
        """ "B", "not C", "the group of D"."""
        if isinstance(node, Not):
            return f"not {self._name(f'{path}.criterion', node.criterion)}"
        if path in self.names:
            return self.names[path]
        first = next((name for at, name in self.names.items() if at.startswith(f"{path}.")), None)
        return f"the group of {first}" if first else "the empty group"
