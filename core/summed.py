"""Evaluations of sharded datasets: the sums of those of their shards."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np
import polars as pl

from core.audience import Audience
from core.data.values import Mask, millis
from core.dataset import Dataset
from core.errors import CoreError
from core.evaluate import Evaluation, NodeSize, attribute_frame, measure_frame
from core.scope import Scope, Steps

if TYPE_CHECKING:
    from core.explain import Explanation
    from core.sharded import ShardedDataset

T = TypeVar("T")


def refuse() -> NoReturn:
    """What there is of shards only: CoreError."""
    raise CoreError("A sharded dataset is read shard by shard.", "Ask each of its `shards()`.")


@dataclass(frozen=True)
class Part:
    """What one shard says of an audience."""

    mask: Mask
    universe: int
    mpid: np.ndarray[tuple[int], np.dtype[np.int64]]
    """The shard's own, one a profile."""
    criteria: Callable[[], list[NodeSize]]

    @classmethod
    def of(cls, found: Evaluation, stays: bool) -> Part:
        """What is kept of an evaluation; of a shard that does not stay, its scope is not."""
        known = None if stays else found.criteria
        criteria = (lambda: found.criteria) if known is None else (lambda: known)
        return cls(found.mask, found.universe, found.scope.snapshot.mpid, criteria)

    @property
    def members(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The mpids of the members."""
        return self.mpid[self.mask]


class ShardedEvaluation(Evaluation):
    """The sum of the evaluations of shards. Measures and attributes are asked of each shard again."""

    def __init__(
        self,
        audience: Audience,
        dataset: ShardedDataset,
        now: datetime,
        audiences: Mapping[str, Audience],
        parts: Sequence[Part],
    ) -> None:
        self.audience, self._dataset, self._now, self._audiences = audience, dataset, now, audiences
        self._parts = parts
        self.mask = np.concatenate([part.mask for part in parts])

    @property
    def scope(self) -> Scope:
        """There is none of the whole: CoreError."""
        refuse()

    def parts(self, steps: Steps | None = None) -> Iterator[tuple[Scope, Mask]]:
        """What was looked at, one scope a shard, each with its part of `mask`."""
        for shard, part in zip(self._dataset.shards(), self._parts, strict=True):
            yield self._scope_in(shard, steps), part.mask

    @property
    def part_count(self) -> int:
        """How many shards there are."""
        return len(self._parts)

    def once(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What `make` gives of this audience's data and moment, remembered while the version stays."""
        asked, data = self.audience, self._dataset
        named = tuple(sorted((each, self._audiences[each].model_dump_json()) for each in asked.named_audiences))
        scope = (data.version, asked.workspaces, asked.inputs, asked.lookback_days, millis(self._now), data._known_ms)
        return data._memory.remember(("once", scope, named, key), make)

    @property
    def now(self) -> datetime:
        """The moment for which this was calculated."""
        return datetime.fromtimestamp(millis(self._now) / 1000, UTC)

    @cached_property
    def universe(self) -> int:
        """The number of profiles that can be members."""
        return sum(part.universe for part in self._parts)

    @cached_property
    def members(self) -> pl.DataFrame:
        """One column `mpid` (Int64), ascending."""
        return pl.DataFrame({"mpid": np.sort(np.concatenate([part.members for part in self._parts]))})

    @cached_property
    def criteria(self) -> list[NodeSize]:
        """Sizes of every node, pre-order; and / or / not included, sequence steps not."""
        return [
            replace(
                same[0],
                size=sum(node.size for node in same),
                here=sum(node.here for node in same),
                unique=sum(node.unique for node in same),
            )
            for same in zip(*(part.criteria() for part in self._parts), strict=True)
        ]

    def measure(self, path: str) -> pl.DataFrame:
        """The number behind a criterion: `mpid` and `value` of everybody in the universe, ascending by mpid."""
        node = self.node(path)
        return joined(lambda shard, texts: measure_frame(self._scope_in(shard), node, texts), self._dataset.shards)

    def profiles(self, attributes: Sequence[str], workspace: str | None = None) -> pl.DataFrame:
        """The members with user attributes of a workspace (the audience's first), ascending by mpid."""
        chosen = workspace or self.audience.workspaces[0]

        def frame(shard: Dataset, texts: Container[str]) -> pl.DataFrame:
            scope = self._scope_in(shard)
            return attribute_frame(scope, scope.judge(self.audience.root), attributes, chosen, texts)

        return joined(frame, self._dataset.shards)

    def explain(self, mpid: int) -> Explanation:
        """Why a profile is a member or not, with the evidence; CoreError where there is no such profile."""
        return Evaluation(self.audience, self._scope_in(self._dataset.home(mpid))).explain(mpid)

    def _scope_in(self, shard: Dataset, steps: Steps | None = None) -> Scope:
        return shard.scope(self.audience, self._now, self._audiences, steps)


def joined(
    frame: Callable[[Dataset, Container[str]], pl.DataFrame], shards: Callable[[], Iterator[Dataset]]
) -> pl.DataFrame:
    """The frames of shards as one, ascending by mpid.

    `frame(shard, texts)`: a column that is numbers in some shards and texts in others is asked for again, as texts.
    """
    frames = [frame(shard, ()) for shard in shards()]
    mixed = {name for name in frames[0].columns if len({each.schema[name] for each in frames}) > 1}
    if mixed:
        frames = [frame(shard, mixed) for shard in shards()]
    return pl.concat(frames).sort("mpid")
