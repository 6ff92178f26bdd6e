"""A random situation as the oracle's world and as the engine's dataset."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest import MonkeyPatch

from core.criteria import matchers
from core.data import compiling, events, worth
from tests.oracle_world import World
from tests.strategies import Load, Situation

if TYPE_CHECKING:
    from core import Audience, Dataset


SHAPES: Final = ("plain", "compacted", "sharded")
"""How a dataset can lie on disk; its answers must not depend on it."""


def moment(at: int) -> datetime:
    """UTC milliseconds as an aware datetime."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)


@contextmanager
def counting(loops: compiling.Mode) -> Iterator[None]:
    """One kind of loops: compiled ones read recaps and postings of every event, days that a window cuts with the others
    and few texts one by one; numpy's none, such days apart and texts all at once, so that all of it is tried."""
    compiled = loops == "compiled"
    with compiling.only(loops), worth.always(compiled), MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(events, "_FEW", 0)
            patch.setattr(matchers, "_FEW", -1)
        yield


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes when it is left, in memory where the machine has such a place: the tests make thousands."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def world_of(situation: Situation) -> World:
    """What the oracle knows."""
    world = World(retention_days=situation.retention_days)
    for load in situation.loads:
        world.load(load.batches, load.workspace, load.input, load.kind, load.received_at)
    for definition in situation.calculated:
        world.calculated[definition["workspace"], definition["name"]] = definition
    for workspace in situation.workspaces:
        for kind, name in situation.demoted:
            world.tiers[workspace, kind, name] = "preserve"
    return world


def load_into(dataset: Dataset, loads: list[Load]) -> None:
    """Load in order."""
    for load in loads:
        arrived = None if load.received_at is None else moment(load.received_at)
        dataset.load_batches(
            load.batches, workspace=load.workspace, input=load.input, kind=load.kind, received_at=arrived
        )


def dataset_of(situation: Situation, path: Path, shape: str = "plain") -> Dataset:
    """What the engine knows, through its public API."""
    dataset = created(path, shape)
    load_into(dataset, situation.loads)
    for workspace in situation.workspaces:
        for kind, name in situation.demoted:
            dataset.set_event_tier(kind=kind, name=name, tier="preserve", workspace=workspace)
    for definition in situation.calculated:
        own = {key: value for key, value in definition.items() if key != "workspace"}
        dataset.add_calculated_attribute(own, workspace=definition["workspace"])
    if situation.retention_days is not None:
        dataset.profile_retention_days = situation.retention_days
    return shaped(dataset, shape)


def created(path: Path, shape: str) -> Dataset:
    """An empty dataset that shall have a shape."""
    from core import Dataset

    return Dataset.create(path, shards=3 if shape == "sharded" else None)


def shaped(dataset: Dataset, shape: str) -> Dataset:
    """The dataset brought into its shape, after everything was loaded."""
    if shape == "compacted":
        dataset.compact(full=True)
    return dataset


def named_audiences(situation: Situation) -> dict[str, Audience]:
    """The audiences that memberships may name."""
    from core import Audience

    return {key: Audience.from_dict(document) for key, document in situation.named.items()}
