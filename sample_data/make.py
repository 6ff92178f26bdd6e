"""Make the sample home: `python -m sample_data.make [--home DIR] [--profiles N] [--events N] [--seed N] [--end ISO]`.

The same arguments give the same data. A home is complete or not there: it is made in a folder beside and renamed.
"""

from __future__ import annotations

import argparse
import errno
import gc
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from sample_data.batches import Batches
from sample_data.details import Document
from sample_data.feeds import Feeds
from sample_data.people import DAYS, People, draw_people
from sample_data.sdk import sdk_batches
from sample_data.shelf import keep_audiences
from sample_data.visits import INPUTS, Visits, draw_visits

if TYPE_CHECKING:
    from core.registry import Registry

PROFILES: Final = 50_000
EVENTS: Final = 2_000_000
SEED: Final = 20_260_109

_PURCHASE: Final = {"kind": "ecommerce", "name": "purchase"}
CALCULATED_ATTRIBUTES: Final = (
    {"name": "lifetime_value", "calculation": "sum", "event": _PURCHASE, "of": {"field": "total_amount"}},
    {
        "name": "favourite_destination",
        "calculation": "most_frequent",
        "event": {"kind": "ecommerce", "name": "view_detail"},
    }
    | {"of": {"attribute": "destination"}},
    {"name": "last_purchase", "calculation": "last_timestamp", "event": _PURCHASE},
    {"name": "bookings", "calculation": "count", "event": _PURCHASE},
)
"""What the travel app calculates for everybody."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Load:
    """The batches of one input, ready to be loaded."""

    workspace: str
    input: str
    kind: Literal["platform", "feed"]
    batches: Callable[[], Iterator[Document]]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is drawn before the first batch is written."""

    people: People
    visits: Visits
    batches: Batches
    feeds: Feeds
    end_ms: int

    @property
    def end(self) -> datetime:
        """The last moment of the data."""
        return datetime.fromtimestamp(self.end_ms / 1000, UTC)

    def loads(self) -> list[Load]:
        """One load an input: the apps and sites first, so that the feeds find the profiles by identity."""
        visits = [
            Load(source.workspace, source.name, "platform", partial(self._through, at))
            for at, source in enumerate(INPUTS)
        ]
        return [
            *visits,
            Load("travel-app", "crm", "feed", self.feeds.crm),
            Load("travel-app", "server", "feed", lambda: sdk_batches(self.people, self.batches.details, self.end_ms)),
            Load("hotel-shop", "reservations", "feed", self.feeds.reservations),
        ]

    def _through(self, at: int) -> Iterator[Document]:
        return chain(self.batches.of(at), self.feeds.uninstalls(at))


def draw(*, end: datetime, profiles: int = PROFILES, events: int = EVENTS, seed: int = SEED) -> Plan:
    """Draw the sample: `profiles` people and about `events` events in the 90 days up to `end` (aware)."""
    end_ms = int(end.timestamp() * 1000)
    people = draw_people(profiles, seed)
    visits = draw_visits(people, events, end_ms, seed)
    batches = Batches(people, visits, end_ms)
    return Plan(people, visits, batches, Feeds(people, visits, batches.details, end_ms, seed), end_ms)


def fill(dataset: Any, plan: Plan, say: Say) -> None:
    """Load everything into a `core.Dataset` and define its calculated attributes and tiers."""
    progress = _Progress(len(plan.visits.action) + 2 * len(plan.visits), say)
    for load in plan.loads():
        name = f"{load.workspace}/{load.input}"
        with _no_collections():
            report = dataset.load_batches(
                progress.watch(name, load.batches()),
                workspace=load.workspace,
                input=load.input,
                kind=load.kind,
                received_at=plan.end,
            )
        progress.done(name, report)
    for attribute in CALCULATED_ATTRIBUTES:
        dataset.add_calculated_attribute(attribute, workspace="travel-app")
    dataset.set_event_tier(kind="custom", name="heartbeat", tier="preserve", workspace="travel-app")


@contextmanager
def _no_collections() -> Iterator[None]:
    """No garbage collection: millions of short-lived dicts, none in a cycle, cost a fifth of the time otherwise."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Progress:
    """A line at every tenth of the events and after every input."""

    def __init__(self, expected: int, say: Say) -> None:
        self._expected, self._say = expected, say
        self._seen = self._told = 0
        self._since = time.perf_counter()

    def watch(self, name: str, batches: Iterable[Document]) -> Iterator[Document]:
        """The same batches, counted as they pass."""
        for batch in batches:
            self._seen += len(batch.get("events") or ())
            if self._seen * 10 // self._expected > self._told:
                self._told = self._seen * 10 // self._expected
                self._line(f"reading {name}")
            yield batch

    def done(self, name: str, report: Any) -> None:
        """What one input brought."""
        self._line(f"loaded {name}: {report.batches:,} batches, {report.events:,} events")

    def _line(self, what: str) -> None:
        share = min(99, self._seen * 100 // self._expected)
        self._say(f"  {share:3d} %  {time.perf_counter() - self._since:5.1f} s  {what}")


def make(home: Path, plan: Callable[[], Plan], *, force: bool = False, say: Say | None = None) -> bool:
    """Make `home/dataset` and the sample's audiences; False, and nothing done, where a dataset is already.

    `force` makes the dataset anew; whatever else is in the home stays. An interrupted run leaves no dataset.
    The registry is the home's own, or that of WORKBENCH_DATABASE_URL.
    """
    from core import Dataset

    say = say or partial(print, flush=True)
    home = home.absolute()
    if (home / "dataset").exists() and not force:
        say(f"There is a dataset in {home} already (--force makes it anew).")
        return False
    home.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(home)
    making = home.parent / f".{home.name}.making-{os.getpid()}"
    making.mkdir()
    try:
        say(f"Making sample data in {home}")
        drawn, dataset = plan(), Dataset.create(making / "dataset")
        fill(dataset, drawn, say)
        url = os.environ.get("WORKBENCH_DATABASE_URL")
        base = home if home.exists() or url else making
        with _registry(url, base, drawn.end) as registry:
            keep_audiences(registry, dataset, drawn.end, say)
        return _publish(making, home, force, say)
    finally:
        shutil.rmtree(making, ignore_errors=True)


@contextmanager
def _registry(url: str | None, base: Path, at: datetime) -> Iterator[Registry]:
    from core.registry import Registry

    registry = Registry.open(url or f"sqlite:///{base / 'registry.sqlite'}", memberships=base / "memberships", at=at)
    try:
        yield registry
    finally:
        registry.close()


def _remove_abandoned(home: Path) -> None:
    """Folders of runs that were killed; those of running processes stay."""
    for folder in home.parent.glob(f".{home.name}.making-*"):
        number = folder.name.rpartition("-")[2]
        if number.isdecimal() and not _is_running(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _publish(making: Path, home: Path, force: bool, say: Say) -> bool:
    """Move what was made into place: the whole home at once, or into a home that is there, the dataset."""
    if not home.exists():
        try:
            making.rename(home)
            return True
        except OSError as error:  # somebody made the folder meanwhile
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    dataset = home / "dataset"
    if dataset.exists():
        if not force:
            say(f"Another process has made a dataset in {home} meanwhile; it stays.")
            return False
        dataset.rename(making / "replaced")
    for name in ("memberships", "registry.sqlite"):
        if (making / name).exists() and not (home / name).exists():
            (making / name).rename(home / name)
    (making / "dataset").rename(dataset)
    return True


def latest_end(clock: datetime) -> datetime:
    """Where data made at `clock` ends: noon UTC of that day, before noon the last full hour."""
    return min(
        clock.replace(hour=12, minute=0, second=0, microsecond=0), clock.replace(minute=0, second=0, microsecond=0)
    )


def _moment(text: str) -> datetime:
    """An ISO date or time, UTC where it names no zone."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def main(arguments: list[str] | None = None) -> int:
    """The command; 0 also when there is a sample already."""
    parser = argparse.ArgumentParser(prog="python -m sample_data.make", description="Make the sample data.")
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("WORKBENCH_HOME") or ".workbench"))
    parser.add_argument("--end", type=_moment, help=f"the last moment of the {DAYS} days (default: today, noon UTC)")
    parser.add_argument("--profiles", type=_positive, default=PROFILES)
    parser.add_argument("--events", type=_positive, default=EVENTS, help="about how many")
    parser.add_argument("--seed", type=_positive, default=SEED)
    parser.add_argument("--force", action="store_true", help="make dataset and audiences anew")
    given = parser.parse_args(arguments)
    end = given.end or latest_end(datetime.now(UTC))
    started = time.perf_counter()

    def plan() -> Plan:
        return draw(end=end, profiles=given.profiles, events=given.events, seed=given.seed)

    if make(given.home, plan, force=given.force):
        spent = time.perf_counter() - started
        print(f"  100 %  {spent:5.1f} s  sample data up to {end:%d %b %Y %H:%M} UTC is ready in {given.home}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
