"""Evaluation: who is in an audience at one moment, and what each criterion contributes."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import polars as pl

from core.audience import Audience
from core.criteria import And, Criterion, Not, Or
from core.data.values import Mask
from core.errors import CoreError
from core.scope import Scope, Steps

if TYPE_CHECKING:
    from core.explain import Explanation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NodeSize:
    """Sizes of one node. `size`: the node alone in the universe. `here`: the root when every later sibling, at every
    level above, is left out. `unique`: |root without the node| - |root|, signed."""

    path: str
    size: int
    here: int
    unique: int


class Evaluation:
    """The members of an audience at `now`; sizes of nodes, members and measures are computed when asked for."""

    def __init__(self, audience: Audience, scope: Scope) -> None:
        self.audience, self._scope = audience, scope
        self.mask: Mask = scope.judge(audience.root)
        """Who is a member: bool, one a profile of the account. Not to be changed."""

    def __repr__(self) -> str:
        return f"<Evaluation of {self.audience.name!r}: {self.size:,} of {self.universe:,} profiles at {self.now}>"

    @property
    def scope(self) -> Scope:
        """What was looked at."""
        return self._scope

    def parts(self, steps: Steps | None = None) -> Iterator[tuple[Scope, Mask]]:
        """What was looked at, shard by shard, each with its part of `mask`; of data that is not split, all of it.

        `steps` are told how far is what the scopes are asked for.
        """
        yield self._scope if steps is None else self._scope.telling(steps), self.mask

    @property
    def part_count(self) -> int:
        """How many parts there are."""
        return 1

    def once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives of this audience's data and moment, remembered while the version stays; `key` names it."""
        return self._scope.once(key, make)

    @property
    def now(self) -> datetime:
        """The moment for which this was calculated."""
        return datetime.fromtimestamp(self._scope.now_ms / 1000, UTC)

    @cached_property
    def size(self) -> int:
        """The number of members."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def universe(self) -> int:
        """The number of profiles that can be members."""
        return int(np.count_nonzero(self._scope.universe))

    @cached_property
    def members(self) -> pl.DataFrame:
        """One column `mpid` (Int64), ascending."""
        return pl.DataFrame({"mpid": np.sort(self._scope.snapshot.mpid[self.mask])})

    @cached_property
    def criteria(self) -> list[NodeSize]:
        """Sizes of every node, pre-order; and / or / not included, sequence steps not."""
        sizes: list[NodeSize] = []
        _Sizes(self._scope, self.size, sizes).visit("root", self.audience.root, [])
        return sizes

    def node(self, path: str) -> Criterion:
        """The node at a path such as `root.criteria[0]`; raises CoreError."""
        for at, node in self.audience.nodes():
            if at == path:
                return node
        known = ", ".join(at for at, _ in self.audience.nodes())
        raise CoreError(f"The definition has no node {path!r}.", f"Its nodes are {known}.")

    def measure(self, path: str) -> pl.DataFrame:
        """The number behind a criterion: `mpid` and `value` of everybody in the universe, ascending by mpid."""
        return measure_frame(self._scope, self.node(path))

    def explain(self, mpid: int) -> Explanation:
        """Why a profile is a member or not, with the evidence; CoreError where there is no such profile."""
        from core.explain import explain

        return explain(self, mpid)

    def profiles(self, attributes: Sequence[str], workspace: str | None = None) -> pl.DataFrame:
        """The members with user attributes of a workspace (the audience's first), ascending by mpid."""
        return attribute_frame(self._scope, self.mask, attributes, workspace or self._scope.workspaces[0])


def measure_frame(scope: Scope, node: Criterion, texts: Container[str] = ()) -> pl.DataFrame:
    """`mpid` and `value` of everybody in the universe, ascending by mpid; as a text where `texts` holds "value"."""
    from core.criteria.measures import Values

    measure = scope.measure(node)
    values = measure.texts() if "value" in texts and isinstance(measure, Values) else measure.values()
    frame = pl.DataFrame({"mpid": scope.snapshot.mpid, "value": values})
    return frame.filter(pl.Series(scope.universe)).sort("mpid")


def attribute_frame(
    scope: Scope, mask: Mask, attributes: Iterable[str], workspace: str, texts: Container[str] = ()
) -> pl.DataFrame:
    """Profiles of a mask with their latest attributes as of the scope's now: `mpid` and one column an attribute.

    Attributes that only hold numbers are Float64 (unless `texts` holds them), all others String; null where the key is
    absent or null.
    """
    from core.criteria.measures import Values

    names = [attributes] if isinstance(attributes, str) else attributes
    chosen = np.flatnonzero(mask)
    columns = {"mpid": pl.Series(scope.snapshot.mpid[chosen])}
    for name in names:
        state = scope.state(scope.snapshot.attribute(workspace, name), "value")
        values = Values(state).texts() if name in texts else Values(state).values()
        columns[name] = values.gather(pl.Series(chosen))
    return pl.DataFrame(columns).sort("mpid")


class _Sizes:
    """Walks a tree with, for each level above, how the rest of that level joins what the node gives."""

    def __init__(self, scope: Scope, total: int, sizes: list[NodeSize]) -> None:
        self.scope, self.total, self.sizes = scope, total, sizes

    def visit(self, path: str, node: Criterion, above: list[_Level]) -> None:
        mask = self.scope.judge(node)
        here = mask
        for level in reversed(above):
            here = level.join(level.earlier, here)
        without: Mask | None = None
        for level in reversed(above):
            without = level.without(without)
        rest = self.scope.universe if without is None else without
        unique = int(np.count_nonzero(rest)) - self.total
        self.sizes.append(NodeSize(path, int(np.count_nonzero(mask)), int(np.count_nonzero(here)), unique))
        self._below(path, node, above)

    def _below(self, path: str, node: Criterion, above: list[_Level]) -> None:
        if isinstance(node, Not):
            self.visit(f"{path}.criterion", node.criterion, [*above, _Negation(self.scope)])
        if not isinstance(node, And | Or):
            return
        every = isinstance(node, And)
        neutral = self.scope.universe if every else np.zeros(self.scope.size, np.bool_)
        masks = [self.scope.judge(child) for child in node.criteria]
        prefix = [neutral]
        for mask in masks:
            prefix.append(prefix[-1] & mask if every else prefix[-1] | mask)
        suffix = [neutral]
        for mask in reversed(masks):
            suffix.append(suffix[-1] & mask if every else suffix[-1] | mask)
        suffix.reverse()
        for at, child in enumerate(node.criteria):
            level = _Level(prefix[at], suffix[at + 1], every)
            self.visit(f"{path}.criteria[{at}]", child, [*above, level])


class _Level:
    """The siblings of a node: those before it and those after it, joined already."""

    def __init__(self, earlier: Mask, later: Mask, every: bool) -> None:
        self.earlier, self.later, self.every = earlier, later, every

    def join(self, left: Mask, right: Mask) -> Mask:
        """Two parts of this group."""
        return left & right if self.every else left | right

    def without(self, below: Mask | None) -> Mask | None:
        """This group with `below` in the node's place; None: with the node left out."""
        rest = self.join(self.earlier, self.later)
        return rest if below is None else self.join(rest, below)


class _Negation(_Level):
    """A `not` above: it has no siblings, and without its criterion it is left out itself."""

    def __init__(self, scope: Scope) -> None:
        self.universe = scope.universe
        self.earlier = scope.universe

    def join(self, left: Mask, right: Mask) -> Mask:
        return self.universe & ~right

    def without(self, below: Mask | None) -> Mask | None:
        return None if below is None else self.universe & ~below
