"""Dataset: one account's profiles and events on disk, and the questions that can be asked of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np

from core import catalog
from core.audience import Audience
from core.contents import Contents, Steady
from core.context import Context, Workspace, resolve_inputs
from core.data import summaries
from core.data.manifest import Manifest
from core.data.memory import DEFAULT_BYTES, Memories, Memory, MemoryUse
from core.data.snapshot import Snapshot
from core.data.store import Store
from core.data.values import Mask, millis
from core.errors import CoreError, DefinitionError, Problem
from core.estimate import Estimate, estimate
from core.evaluate import Evaluation
from core.sampler import Sampler
from core.scope import OF_A_VERSION, Scope, Steps


class Dataset(Contents):
    """One version of a dataset, read only, until `refresh()` or a change through this object moves it on."""

    def __init__(self, store: Store, memories: Memories) -> None:
        """`memories`: where it remembers; those of a shard lie within its whole's."""
        self._store, self._memories = store, memories
        manifest, lease = store.held()
        self._snapshot = Snapshot(store, manifest, lease=lease, memory=memories.facts)
        self._sampler = Sampler(memories)
        self._known_ms: int | None = None

    def __repr__(self) -> str:
        profiles, events = self.size
        return f"<Dataset {str(self.path)!r}, version {self.version}: {profiles:,} profiles, {events:,} events>"

    @classmethod
    def create(cls, path: str | Path, *, shards: int | None = None, memory_bytes: int = DEFAULT_BYTES) -> Dataset:
        """A new, empty dataset in a folder; DatasetError if something is there. `memory_bytes`: see `open`.

        With `shards` it is split by user, and answers are put together from one shard after the other, so that memory
        stays bounded however many profiles there are (`core.sharded`). One for every 50 million events is about right.
        """
        _check_bound(memory_bytes)
        return cls._opened(Store.create(Path(path), shards), memory_bytes)

    @classmethod
    def open(cls, path: str | Path, *, memory_bytes: int = DEFAULT_BYTES) -> Dataset:
        """The dataset in a folder; DatasetError if there is none, DatasetTooNew if a newer program wrote it.

        `memory_bytes` bounds what is held to be given again: answers, facts, dictionaries of columns and what derives
        from them. Columns are mapped from files, whose pages the system takes back when it needs them. What a load
        holds while it runs lies outside of it (docs/performance.md).
        """
        _check_bound(memory_bytes)
        return cls._opened(Store.open(Path(path)), memory_bytes)

    @staticmethod
    def _opened(store: Store, memory_bytes: int) -> Dataset:
        from core.sharded import ShardedDataset

        manifest = store.manifest()
        memories = Memories(memory_bytes, manifest.profiles, shards=len(manifest.shards))
        return ShardedDataset(store, memories) if manifest.shards else Dataset(store, memories)

    @property
    def memory_bytes(self) -> int:
        """What bounds all that is remembered; see `open`."""
        return self._memories.bytes

    @property
    def memory_use(self) -> MemoryUse:
        """How much of that is used, and whether more would help."""
        return self._memories.use

    @property
    def _memory(self) -> Memory:
        return self._memories.answers

    @property
    def _manifest(self) -> Manifest:
        return self._snapshot.manifest

    def refresh(self) -> Self:
        """Move on to the newest version on disk; returns this dataset."""
        if self._follow():
            self._memories.leave(self._manifest.profiles)
        return self

    def _follow(self) -> bool:
        """Whether there was a newer version to move on to."""
        manifest, lease = self._store.held()
        if manifest.version == self.version:
            return False
        self._snapshot = Snapshot(self._store, manifest, self._snapshot, lease, self._memories.facts)
        for memory in (self._memories.facts, self._memories.answers, self._memories.beside):
            memory.forget(OF_A_VERSION)
        return True

    def prepare(self, going: Callable[[], bool] = lambda: True) -> None:
        """Fill the column cache of this version on disk, so that first answers need not; stops when not `going`.

        Nothing depends on it: what is missing is made when it is first asked for.
        """
        self._prepare(going, self._manifest.profiles)

    def _prepare(self, going: Callable[[], bool], profiles: int) -> None:
        self._snapshot.prepare(going)
        summaries.prepare(self._snapshot, going)
        self._sampler.fill(self._snapshot, profiles, going)

    @property
    def snapshot(self) -> Snapshot:
        """What criteria read of this version."""
        return self._snapshot

    # -- answers ---------------------------------------------------------------------------------------------------

    def evaluate(
        self,
        audience: Audience,
        *,
        now: datetime,
        audiences: Mapping[str, Audience] | None = None,
        progress: Steady | None = None,
    ) -> Evaluation:
        """Who is in the audience at `now` (aware datetime). `audiences` by id answer memberships.

        `progress(done, total)` is called before and after every criterion and for every stretch of events that one
        reads; what it raises stops the evaluation. Raises DefinitionError with every problem before anything is
        evaluated.
        """
        self._check(audience, audiences or {})
        leaves = [node for _, node in audience.nodes() if not node.children()]
        steps = Steps(progress, len(leaves))
        scope = self.scope(audience, now, audiences or {}, steps)
        for leaf in leaves if progress is not None else ():
            scope.judge(leaf)
            steps.next()
        found = Evaluation(audience, scope)
        steps.over()
        return found

    def estimate(
        self,
        audience: Audience,
        *,
        now: datetime,
        audiences: Mapping[str, Audience] | None = None,
        progress: Steady | None = None,
    ) -> Estimate:
        """The audience's size from the fair sample. Raises DefinitionError; a technical failure is `symbol` "error".

        `progress(done, total)` is called as that of `evaluate`; what it raises stops the work, unless it is a failure.
        """
        self._check(audience, audiences or {})
        steps = Steps(progress, max(self.shard_count, 1))
        return estimate(self._samples(audience, now, audiences or {}, steps), audience.root, self._manifest.profiles)

    def _samples(
        self, audience: Audience, now: datetime, audiences: Mapping[str, Audience], steps: Steps
    ) -> Iterator[tuple[Scope, int]]:
        """Where the sample is judged, with the size of the universe: part by part."""
        yield self._sampled(audience, now, audiences, self._manifest.profiles, steps)
        steps.next()

    def _sampled(
        self, audience: Audience, now: datetime, audiences: Mapping[str, Audience], profiles: int, steps: Steps
    ) -> tuple[Scope, int]:
        """Where the sample of so many profiles is judged (`core.estimate`)."""
        found = self._sampler.snapshot(self._snapshot, profiles)
        read = (self._snapshot, self._memory) if found is None else (found, self._sampler.memory)
        now_ms = millis(now)
        known_ms = now_ms if self._known_ms is None else min(self._known_ms, now_ms)

        def universe() -> int:
            return int(np.count_nonzero(self._snapshot.universe(audience.workspaces, now_ms, known_ms)))

        key = ("once", "universe", self.version, audience.workspaces, now_ms, known_ms)
        size = self._sampler.memory.remember(key, universe)
        return self._scope_of(audience, now_ms, audiences, *read, steps), size

    def evaluate_many(
        self,
        wanted: Mapping[str, Audience],
        *,
        now: datetime,
        audiences: Mapping[str, Audience] | None = None,
        progress: Steady | None = None,
    ) -> dict[str, Evaluation]:
        """Who is in each of many audiences at `now`; criteria that they share are looked at once.

        `audiences` by id answer memberships (`wanted` itself unless given). `progress(done, total)`, in audiences, is
        called before the first and after every audience and as often as that of `evaluate`; what it raises stops the
        evaluation. Raises DefinitionError with every problem of all of them, each path behind its audience's id
        ("id: root"), before anything is evaluated.
        """
        named = wanted if audiences is None else audiences
        self._check_many(wanted, named)
        steps = Steps(progress, len(wanted))
        steps.here()
        results: dict[str, Evaluation] = {}
        for key, audience in wanted.items():
            results[key] = Evaluation(audience, self.scope(audience, now, named, steps))
            steps.next()
        steps.over()
        return results

    def _check_many(self, wanted: Mapping[str, Audience], audiences: Mapping[str, Audience]) -> None:
        found = ((key, self._problems(audience, audiences)) for key, audience in wanted.items())
        problems = [replace(each, path=f"{key}: {each.path}") for key, several in found for each in several]
        if problems:
            raise DefinitionError(problems)

    def _check(self, audience: Audience, audiences: Mapping[str, Audience]) -> None:
        if not isinstance(audience, Audience):
            raise CoreError(f"This is no audience but a {type(audience).__name__}.", "Make one by Audience.from_dict.")
        if problems := self._problems(audience, audiences):
            raise DefinitionError(problems)

    def _problems(self, audience: Audience, audiences: Mapping[str, Audience]) -> tuple[Problem, ...]:
        return audience.problems(self.context(audience, audiences))

    def aside(self) -> Dataset:
        """This version with a second memory, half as big: what is asked of it crowds nothing out of the first one, and
        after an edit of one criterion finds the others again."""
        other = copy(self)
        other._memories = self._memories.aside()
        return other

    def known_until(self, moment: datetime) -> Dataset:
        """This version as if nothing had arrived after a moment: evaluated later, it only ages."""
        other = copy(self)
        other._known_ms = millis(moment)
        return other

    def fresh(self) -> Dataset:
        """This version with nothing remembered; what is mapped from files stays."""
        return self._remembering(self._memories.fresh())

    def _remembering(self, memories: Memories) -> Dataset:
        other = copy(self)
        other._memories, other._sampler = memories, self._sampler.fresh(memories)
        return other

    def _checked_scope(self, audience: Audience, now: datetime, audiences: Mapping[str, Audience]) -> Scope:
        self._check(audience, audiences)
        return self.scope(audience, now, audiences)

    def scope(
        self, audience: Audience, now: datetime, audiences: Mapping[str, Audience], steps: Steps | None = None
    ) -> Scope:
        """What an audience may see at `now`; scopes of one dataset share what is remembered."""
        return self._scope_of(audience, millis(now), audiences, self._snapshot, self._memory, steps)

    def _scope_of(
        self,
        audience: Audience,
        now_ms: int,
        audiences: Mapping[str, Audience],
        snapshot: Snapshot,
        memory: Memory,
        steps: Steps | None = None,
    ) -> Scope:
        def members_of(audience_id: str) -> Mask:
            other = audiences[audience_id]
            return self._scope_of(other, now_ms, {}, snapshot, memory, steps).judge(other.root)

        inputs = self._inputs(audience)[0]
        named = tuple(sorted((each, audiences[each].model_dump_json()) for each in audience.named_audiences))
        lookback = audience.lookback_days
        return Scope(
            snapshot,
            audience.workspaces,
            inputs,
            lookback,
            now_ms,
            members_of,
            memory,
            named,
            self._known_ms,
            steps,
        )

    def _inputs(self, audience: Audience) -> tuple[frozenset[tuple[str, str]], list[str]]:
        every = self._every_input(audience)
        return (every, []) if audience.inputs is None else resolve_inputs(audience.inputs, every)

    def _every_input(self, audience: Audience) -> frozenset[tuple[str, str]]:
        known = self.workspaces
        return frozenset((name, each) for name in audience.workspaces if name in known for each in known[name].inputs)

    def context(self, audience: Audience, audiences: Mapping[str, Audience]) -> Context:
        """The ground on which an audience is checked."""
        known = self.workspaces
        inputs, missing = self._inputs(audience)
        no_workspaces = [
            Problem("", f"The dataset has no workspace {name!r}.", f"Known: {', '.join(known) or 'none yet'}.")
            for name in audience.workspaces
            if name not in known
        ]
        no_inputs = [
            Problem("", f"The workspaces have no input {name!r}.", "Choose one of the workspaces' inputs.")
            for name in missing
        ]

        def nested(audience_id: str) -> bool | None:
            other = audiences.get(audience_id)
            return None if other is None else bool(other.named_audiences)

        return Context(
            workspaces=audience.workspaces,
            inputs=inputs,
            every_input=self._every_input(audience),
            known={
                name: Workspace(frozenset(each.inputs), each.tiers, each.calculated_attributes)
                for name, each in known.items()
            },
            knows=self._knows,
            nested=nested,
            faults=lambda audience_id: self._problems(audiences[audience_id], {}),
            problems=(*no_workspaces, *no_inputs),
            missing=frozenset(missing),
        )

    def _knows(self, names: str, workspace: str, name: str) -> bool:
        return catalog.knows(self._snapshot, names, workspace, name)


def _check_bound(memory_bytes: int) -> None:
    if memory_bytes < 0:
        raise CoreError(f"memory_bytes is {memory_bytes}.", "Give a number of bytes; 0 remembers nothing.")
