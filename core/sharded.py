"""Sharded datasets: one dataset split by user, asked shard after shard, with the answers of one that is not split.

Every criterion looks at one profile at a time, so members, sizes and counts of the whole are the sums of those of its
shards. Settings, identities and the keys of copies are the whole's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from copy import copy
from datetime import UTC, datetime
from typing import Final, Self
from weakref import WeakValueDictionary

import numpy as np
import polars as pl

from core import catalog
from core.audience import Audience
from core.contents import Steady
from core.data.manifest import Manifest, Segment
from core.data.memory import Memories
from core.data.segments import shard_of
from core.data.snapshot import Snapshot
from core.data.store import Store
from core.data.values import millis
from core.dataset import Dataset
from core.evaluate import Evaluation, attribute_frame
from core.profile import Profile, Timeline
from core.sampler import Sampler
from core.scope import OF_A_VERSION, Scope, Steps
from core.summed import Part, ShardedEvaluation, joined, refuse

KEPT_EVENTS: Final = 250_000_000
"""Shards stay in memory between questions as long as they have no more events than this together.

What they hold is bounded (`memory_bytes`); what they have mapped from files, some 15 bytes an event, is not.
"""


class ShardedDataset(Dataset):
    """One version of a dataset whose profiles are split into shards."""

    def __init__(self, store: Store, memories: Memories) -> None:
        """`memories`: what all shards share."""
        self._store, self._memories = store, memories
        self._version, self._lease = store.held()
        self._moving = threading.Lock()
        self._kept: dict[int, Dataset] = {}
        self._loose: WeakValueDictionary[int, Dataset] = WeakValueDictionary()
        """Shards that are not kept, while somebody looks at them."""
        self._samplers: dict[int, Sampler] = {}
        self._known_ms: int | None = None

    @property
    def _manifest(self) -> Manifest:
        return self._version

    def refresh(self) -> Self:
        """Move on to the newest version on disk; returns this dataset."""
        manifest, lease = self._store.held()
        if manifest.version != self.version:
            kept = {}  # evaluations go on with what they have looked at
            for number, shard in list(self._kept.items()):
                kept[number] = copy(shard)
                kept[number]._store = self._store.shard(number, manifest)
                kept[number]._follow()
            with self._moving:
                self._version, self._lease = manifest, lease
                self._kept, self._loose = kept, WeakValueDictionary()
            for memory in (self._memories.answers, self._memories.beside):
                memory.forget(OF_A_VERSION)
            self._memories.leave(manifest.profiles)
        return self

    def _still(self) -> ShardedDataset:
        """The same at this version, whoever moves this one on meanwhile."""
        with self._moving:
            return copy(self)

    @property
    def snapshot(self) -> Snapshot:
        """There is none of the whole: CoreError."""
        refuse()

    def scope(
        self, audience: Audience, now: datetime, audiences: Mapping[str, Audience], steps: Steps | None = None
    ) -> Scope:
        """There is none of the whole: CoreError."""
        refuse()

    # -- shards ----------------------------------------------------------------------------------------------------

    def shards(self) -> Iterator[Dataset]:
        """Each shard as a dataset, to be read. Those beyond `KEPT_EVENTS` live only as long as they are looked at."""
        still = self._still()
        for number in range(len(still._version.shards)):
            yield still._shard(number)

    def _shard(self, number: int) -> Dataset:
        known = self._kept.get(number) or self._loose.get(number)
        if known is not None:
            return known
        stays = sum(_events(self._version, each) for each in range(number + 1)) <= KEPT_EVENTS
        (self._kept if stays else self._loose)[number] = shard = self._opened_shard(number, stays)
        return shard

    def _opened_shard(self, number: int, stays: bool) -> Dataset:
        """A shard; one that does not stay takes what it remembered with it."""
        own = self._memories.of(number)
        if not stays:
            own = own.apart(self._version.shards[number].profiles, len(self._version.shards))
        shard = Dataset(self._store.shard(number, self._version), own)
        shard._known_ms = self._known_ms
        shard._sampler = self._samplers.setdefault(number, shard._sampler)  # slices are small: they all stay
        return shard

    def prepare(self, going: Callable[[], bool] = lambda: True) -> None:
        """See `Dataset.prepare`. A shard that nobody has asked yet is opened for this alone, with what it maps."""
        still = self._still()
        for number in range(len(still._version.shards)):
            if going():
                shard = still._kept.get(number) or still._loose.get(number) or still._opened_shard(number, stays=False)
                shard._prepare(going, still._version.profiles)

    def home(self, mpid: int) -> Dataset:
        """The shard in which an mpid is, or would be."""
        return self._shard(int(shard_of(np.array([mpid], np.int64), len(self._version.shards))[0]))

    def aside(self) -> Dataset:
        """This version with a second memory in every shard; see `Dataset.aside`."""
        other = self._with(lambda shard: shard.aside())
        other._memories = self._memories.aside()
        return other

    def known_until(self, moment: datetime) -> Dataset:
        """This version as if nothing had arrived after a moment; see `Dataset.known_until`."""
        other = self._with(lambda shard: shard.known_until(moment))
        other._known_ms = millis(moment)
        return other

    def fresh(self) -> Dataset:
        """This version with nothing remembered; what is mapped from files stays."""
        memories = self._memories.fresh()
        other = copy(self)
        other._memories, other._loose = memories, WeakValueDictionary()
        other._kept = {number: shard._remembering(memories.of(number)) for number, shard in self._kept.items()}
        other._samplers = {number: each.fresh(memories.of(number)) for number, each in self._samplers.items()}
        return other

    def _with(self, changed: Callable[[Dataset], Dataset]) -> ShardedDataset:
        other = copy(self)
        other._kept = {number: changed(shard) for number, shard in self._kept.items()}
        other._loose = WeakValueDictionary()
        return other

    # -- what the data holds ---------------------------------------------------------------------------------------

    def _end_ms(self) -> int | None:
        ends = (segment.last_ms for shard in self._version.shards for segment in shard.segments)
        return max((end for end in ends if end is not None), default=None)

    def _snapshots(self) -> Iterable[Snapshot]:
        return (shard.snapshot for shard in self.shards())

    def _segments(self) -> Iterable[Segment]:
        return [segment for shard in self._version.shards for segment in shard.segments]

    def _knows(self, names: str, workspace: str, name: str) -> bool:
        return any(shard._knows(names, workspace, name) for shard in self.shards())

    def catalog(self) -> pl.DataFrame:
        """Everything that the data holds by name, with counts and first and last time (`core.catalog.overview`)."""
        return catalog.summed([shard.catalog() for shard in self.shards()])

    def values(
        self, kind: str, name: str, *, workspace: str, event: tuple[str, str | None] | None = None
    ) -> pl.DataFrame:
        """The values of a name with how often they occur, most frequent first (`core.catalog.values`)."""
        self._known_workspace(workspace)
        return catalog.counted(shard.values(kind, name, workspace=workspace, event=event) for shard in self.shards())

    def event_attributes(self, workspaces: Iterable[str]) -> list[str]:
        """Every custom attribute key of the events of some workspaces, ascending."""
        wanted = list(workspaces)
        return sorted({key for shard in self.shards() for key in shard.event_attributes(wanted)})

    def events(self, name: str | None = None, *, kind: str | None = None, workspace: str | None = None) -> pl.LazyFrame:
        """Events as a lazy frame: `mpid`, `timestamp`, workspace, input, kind, name, fields, attributes, products."""
        return pl.concat([shard.events(name, kind=kind, workspace=workspace) for shard in self.shards()])

    def profiles(
        self, attributes: Iterable[str], *, workspace: str | None = None, now: datetime | None = None
    ) -> pl.DataFrame:
        """Everybody seen in a workspace (the first one) with user attributes as of `now` (the data's end)."""
        chosen = workspace if workspace is not None else next(iter(self.workspaces), "")
        self._known_workspace(chosen)
        at_ms = millis(now or self.end or datetime(1970, 1, 1, tzinfo=UTC))
        names = [attributes] if isinstance(attributes, str) else list(attributes)

        def frame(shard: Dataset, texts: Container[str]) -> pl.DataFrame:
            scope = Scope(shard.snapshot, (chosen,), frozenset(), None, at_ms)
            return attribute_frame(scope, scope.universe, names, chosen, texts)

        return joined(frame, self.shards)

    def profile(self, mpid: int, *, now: datetime) -> Profile:
        """Everything known of an mpid as of `now`; CoreError where it was not seen by then."""
        return self.home(mpid).profile(mpid, now=now)

    def timeline(
        self, mpid: int, *, now: datetime, kinds: Iterable[str] = (), offset: int = 0, limit: int = 25
    ) -> Timeline:
        """A page of the events of an mpid up to `now`, newest first (`core.profile.timeline_of`)."""
        return self.home(mpid).timeline(mpid, now=now, kinds=kinds, offset=offset, limit=limit)

    # -- answers ---------------------------------------------------------------------------------------------------

    def evaluate(
        self,
        audience: Audience,
        *,
        now: datetime,
        audiences: Mapping[str, Audience] | None = None,
        progress: Steady | None = None,
    ) -> Evaluation:
        """Who is in the audience at `now`, shard by shard; `progress` counts them. See `Dataset.evaluate`."""
        self._check(audience, audiences or {})
        return self._evaluated({"": audience}, now, audiences or {}, progress)[""]

    def evaluate_many(
        self,
        wanted: Mapping[str, Audience],
        *,
        now: datetime,
        audiences: Mapping[str, Audience] | None = None,
        progress: Steady | None = None,
    ) -> dict[str, Evaluation]:
        """Who is in each of many audiences at `now`, all of them in one shard after the other."""
        named = wanted if audiences is None else audiences
        self._check_many(wanted, named)
        return self._evaluated(wanted, now, named, progress)

    def _evaluated(
        self,
        wanted: Mapping[str, Audience],
        now: datetime,
        named: Mapping[str, Audience],
        progress: Steady | None,
    ) -> dict[str, Evaluation]:
        parts: dict[str, list[Part]] = {key: [] for key in wanted}
        steps = Steps(progress, len(wanted) * len(self._version.shards))
        steps.here()
        asked = self._still()
        for number, shard in enumerate(asked.shards()):
            for key, audience in wanted.items():
                found = Evaluation(audience, shard.scope(audience, now, named, steps))
                parts[key].append(Part.of(found, stays=number in asked._kept))
                steps.next()
        steps.over()
        return {key: ShardedEvaluation(audience, asked, now, named, parts[key]) for key, audience in wanted.items()}

    def _samples(
        self, audience: Audience, now: datetime, audiences: Mapping[str, Audience], steps: Steps
    ) -> Iterator[tuple[Scope, int]]:
        """The sample is one of the whole: each shard judges its part."""
        for shard in self.shards():
            yield shard._sampled(audience, now, audiences, self._version.profiles, steps)
            steps.next()


def _events(manifest: Manifest, number: int) -> int:
    return sum(segment.tables.get("events", 0) for segment in manifest.shards[number].segments)
