"""The same data in one dataset and in four shards gives the same answer to everything that can be asked.

What can be asked is found by looking: the public attributes of datasets and evaluations, and every public function of
the core that takes one of them. One that stands in no table fails.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import core
from core import Audience, CoreError, Dataset, Evaluation, sharded
from core.archive import Download, write_archive
from core.charts import waterfall_frame
from core.composition import composition, reach, traits
from core.curves import curve, dials
from core.effect import effect
from core.hints import hints
from core.history import backtest, forecast
from core.members import some_members
from core.near_misses import near_misses
from core.overlap import others
from sample_data.make import draw, fill
from sample_data.shelf import AUDIENCES
from tests.core.loads import batch, named
from tests.core.test_sharded import NOW
from tests.core.test_sharded import audience as anybody
from tests.core.test_sql import connected

END = datetime(2026, 11, 24, 12, tzinfo=UTC)
EARLIER = END - timedelta(days=20, hours=5)
SHARDS = 4
DOCUMENTS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(AUDIENCES.glob("*.json"))}
NAMED = {name: Audience.from_dict(document) for name, document in DOCUMENTS.items()}
ASKED = ("potential-parisians", "loyal-to-both", "around-paris", "looked-carted-bought", "push-reachable-ios")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Dataset, Dataset]]:
    """A small sample in one dataset and in four shards."""
    folder = tmp_path_factory.mktemp("pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.data.sample.SAMPLE", 150)
        made = []
        for name, shards in (("one", None), ("many", SHARDS)):
            dataset = Dataset.create(folder / name, shards=shards)
            fill(dataset, draw(end=END, profiles=400, events=9_000), lambda line: None)
            dataset.compact(full=True)
            made.append(dataset)
        yield made[0], made[1]


def table(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.rows()


def asked(data: Dataset, name: str = ASKED[0], now: datetime = END) -> Evaluation:
    return data.evaluate(NAMED[name], now=now, audiences=NAMED)


def some_mpids(data: Dataset) -> list[int]:
    return [int(mpid) for mpid in data.profiles([])["mpid"].to_list()[::61]]


def every(of: Callable[[Evaluation], Any]) -> Callable[[Dataset], Any]:
    """Of some audiences, and of one at an earlier moment."""
    return lambda data: [of(asked(data, *which)) for which in (*((name,) for name in ASKED), (ASKED[0], EARLIER))]


def of_leaves(found: Evaluation, ask: Callable[[str], Any]) -> list[Any]:
    return [ask(path) for path, node in found.audience.nodes() if not node.children()]


def sql_answers(data: Dataset) -> list[Any]:
    connection = connected(data)
    queries = (NAMED[name].to_sql("duckdb", now=END, dataset=data, audiences=NAMED) for name in ASKED)
    return [sorted(connection.execute(query).fetchall()) for query in queries]


def computed(data: Dataset) -> list[Any]:
    known = data.workspaces["travel-app"].calculated_attributes.values()
    return [data.compute(each, workspace="travel-app", now=END) for each in known]


def archive(data: Dataset, folder: Path) -> Any:
    file = folder / f"{data.shard_count}.zip"
    downloads = [Download(name, asked(data, name)) for name in ("potential-parisians", "loyal-to-both")]
    manifest = write_archive(file, downloads, identity_types=["email", "customer_id"], archive_id="abcd", generated=END)
    return manifest, file.read_bytes()


VALUES = (
    *(("user_attribute", "tier", None), ("identity", "email", None), ("device", "platform", None)),
    *(("location", "city", None), ("event_attribute", "destination", ("ecommerce", "view_detail"))),
    *(("product_field", "name", None), ("event_field", "currency_code", None)),
)

OF_DATASETS: dict[str, Callable[[Dataset], Any]] = {
    "as_of": lambda data: [data.as_of(END + timedelta(days=days)) for days in (0, 3)],
    "aside": lambda data: table(data.aside().evaluate(NAMED["loyal-to-both"], now=END, audiences=NAMED).members),
    "catalog": lambda data: table(data.catalog()),
    "compute": computed,
    "end": lambda data: data.end,
    "entries": lambda data: [data.entries(now=now) for now in (END, EARLIER)],
    "estimate": lambda data: [data.estimate(each, now=END, audiences=NAMED) for each in NAMED.values()],
    "evaluate": every(lambda found: (found.size, found.universe, table(found.members), found.criteria)),
    "evaluate_many": lambda data: {
        key: found.size for key, found in data.evaluate_many(NAMED, now=EARLIER, audiences=NAMED).items()
    },
    "event_attributes": lambda data: data.event_attributes(data.workspaces),
    "events": lambda data: sorted(data.events("purchase").select("mpid", "timestamp", "input").collect().rows()),
    "find": lambda data: [
        data.find(str(text), now=END)
        for mpid in some_mpids(data)
        for text in (mpid, *(known.value for known in data.profile(mpid, now=END).workspaces[0].identities))
    ],
    "fresh": lambda data: data.fresh().evaluate(NAMED["new-and-quiet"], now=END).size,
    "identity_types": lambda data: data.identity_types(),
    "inputs": lambda data: data.inputs(now=EARLIER),
    "known_until": lambda data: data.known_until(EARLIER).evaluate(NAMED["new-and-quiet"], now=END).size,
    "profile": lambda data: [data.profile(mpid, now=END) for mpid in some_mpids(data)],
    "profile_retention_days": lambda data: data.profile_retention_days,
    "profiles": lambda data: table(data.profiles(["tier", "ltv", "newsletter"])),
    "recently_seen": lambda data: data.recently_seen(now=EARLIER, limit=30),
    "size": lambda data: data.size,
    "sql_views": lambda data: connected(data).execute("select count(*), min(mpid), sum(mpid) from profiles").fetchall(),
    "start": lambda data: data.start,
    "suggested": lambda data: [
        data.suggested(kind, name, data.workspaces, event).first(40) for kind, name, event in VALUES
    ],
    "timeline": lambda data: [data.timeline(mpid, now=EARLIER, limit=5) for mpid in some_mpids(data)],
    "values": lambda data: [
        table(data.values(kind, name, workspace="travel-app", event=event)) for kind, name, event in VALUES
    ],
    "workspaces": lambda data: data.workspaces,
}
OF_EVALUATIONS: dict[str, Callable[[Dataset], Any]] = {
    "criteria": every(lambda found: found.criteria),
    "explain": lambda data: [
        found.explain(mpid).to_dict() for found in [asked(data, "looked-carted-bought")] for mpid in some_mpids(data)
    ],
    "measure": lambda data: of_leaves(found := asked(data), lambda path: table(found.measure(path))),
    "members": every(lambda found: table(found.members)),
    "node": lambda data: asked(data).node("root"),
    "now": every(lambda found: found.now),
    "once": lambda data: [asked(data).once(("a key",), lambda: "made"), asked(data).once(("a key",), lambda: "again")],
    "parts": lambda data: sum(int(mask.sum()) for _, mask in asked(data).parts()),
    "profiles": every(lambda found: table(found.profiles(["tier", "ltv"]))),
    "size": every(lambda found: found.size),
    "universe": every(lambda found: found.universe),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "core.charts.waterfall.waterfall_frame": every(lambda found: table(waterfall_frame(found))),
    "core.composition.composition": lambda data: [
        table(composition(found, trait.criterion))
        for found in [asked(data, "loyal-to-both")]
        for trait in traits(found)
    ],
    "core.composition.reach": every(lambda found: table(reach(found))),
    "core.composition.traits": every(traits),
    "core.curves.curve": every(
        lambda found: of_leaves(
            found, lambda path: [table(curve(found, path, dial.key).frame) for dial in dials(found, path)]
        )
    ),
    "core.curves.dials": every(lambda found: of_leaves(found, lambda path: dials(found, path))),
    "core.dialects.to_sql": sql_answers,
    "core.effect.effect": lambda data: [
        effect(asked(data, one), asked(data, two)) for one in ASKED for two in ASKED[:2]
    ],
    "core.hints.hints": every(hints),
    "core.history.backtest": lambda data: [
        backtest(data, NAMED[name], now=END, audiences=NAMED, days=4).days for name in ASKED[:2]
    ],
    "core.history.forecast": lambda data: [
        forecast(data, NAMED[name], now=EARLIER, audiences=NAMED, days=4).days for name in ASKED[:2]
    ],
    "core.members.some_members": every(lambda found: table(some_members(found))),
    "core.near_misses.near_misses": every(near_misses),
    "core.overlap.others": lambda data: table(
        others(data, NAMED, now=END).nearest(asked(data).mask).drop("name").sort("id")
    ),
}
NOT_ASKED = {
    "create": "makes one",
    "open": "opens one",
    "load_batches": "the data of the pair came through it",
    "load_segment": "writes",
    "load_table": "writes",
    "compact": "writes; answers before and after are compared in test_sharded",
    "prepare": "fills a cache",
    "refresh": "moves on",
    "add_calculated_attribute": "the pair has some",
    "remove_calculated_attribute": "writes",
    "add_input": "writes",
    "set_event_tier": "the pair has one",
    "memory_bytes": "what was asked for when it was opened",
    "memory_use": "shards hold a little more",
    "path": "where it is",
    "version": "a compaction commits shard by shard",
    "shard_count": "what differs",
    "part_count": "what differs",
    "context": "the ground of check, which every evaluation asks",
    "scope": "there is one a shard",
    "snapshot": "there is one a shard",
    "core.explain.explain": "by the evaluation, of the shard that has the profile",
    "core.registry.calculating.calculate": "evaluates, and keeps it in the registry",
    "core.registry.calculating.estimate": "estimates, and keeps it in the registry",
    "core.summed.joined": "puts frames of shards together",
}


def public(of: type) -> set[str]:
    return {name for name in dir(of) if not name.startswith("_")}


def functions() -> set[str]:
    """The public functions of the core that take a dataset or an evaluation."""
    found = set()
    for module in pkgutil.walk_packages(core.__path__, "core."):
        for name, member in vars(importlib.import_module(module.name)).items():
            if not inspect.isfunction(member) or member.__module__ != module.name or name.startswith("_"):
                continue
            taken = [str(kind) for key, kind in member.__annotations__.items() if key != "return"]
            if any("Dataset" in each or "Evaluation" in each for each in taken):
                found.add(f"{module.name}.{name}")
    return found


def test_nothing_is_forgotten() -> None:
    assert public(Dataset) - OF_DATASETS.keys() - NOT_ASKED.keys() == set()
    assert public(Evaluation) - OF_EVALUATIONS.keys() - NOT_ASKED.keys() == set()
    assert functions() - FUNCTIONS.keys() - NOT_ASKED.keys() == set()
    there = public(Dataset) | public(Evaluation) | functions()
    assert (OF_DATASETS.keys() | OF_EVALUATIONS.keys() | FUNCTIONS.keys() | NOT_ASKED.keys()) <= there


EVERYTHING = {
    **{f"Dataset.{name}": ask for name, ask in OF_DATASETS.items()},
    **{f"Evaluation.{name}": ask for name, ask in OF_EVALUATIONS.items()},
    **FUNCTIONS,
}


@pytest.mark.parametrize("what", EVERYTHING)
def test_the_same_answer(pair: tuple[Dataset, Dataset], what: str) -> None:
    one, many = (EVERYTHING[what](data) for data in pair)
    assert many == one
    assert one not in ([], {}, None) or what == "Dataset.profile_retention_days"


def test_shards_that_are_opened_for_each_question(
    pair: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where no shard stays in memory."""
    monkeypatch.setattr(sharded, "KEPT_EVENTS", 0)
    many = Dataset.open(pair[1].path)
    found = [asked(each, "loyal-to-both") for each in (pair[0], many)]
    before = [asked(each) for each in (pair[0], many)]
    for ask in (reach, traits, hints, near_misses, some_members, waterfall_frame):
        left, right = (ask(each) for each in found)  # type: ignore[operator]
        assert left.equals(right) if isinstance(left, pl.DataFrame) else left == right
    left, right = (effect(*each) for each in zip(before, found, strict=True))
    assert left == right and left.causes
    for path, node in found[0].audience.nodes():
        for dial in node.dials():
            left, right = (curve(each, path, dial.key) for each in found)
            assert left == right
    assert not many._kept  # type: ignore[attr-defined]


def test_an_evaluation_stays_at_its_version(tmp_path: Path) -> None:
    """What is asked of an evaluation after a load speaks of the data that it looked at."""
    made = []
    for shards in (None, 3):
        data = Dataset.create(tmp_path / f"{shards}", shards=shards)
        people = [batch(mpid, named("a"), user_attributes={"x": mpid % 3}) for mpid in range(40)]
        data.load_batches(people[:25], workspace="shop", input="ios")
        found = data.evaluate(anybody({"type": "event", "kind": "custom", "name": "a"}), now=NOW)
        data.load_batches(people[25:], workspace="shop", input="ios")
        data.compact(full=True)
        later = data.evaluate(anybody({"type": "event", "kind": "custom", "name": "a"}), now=NOW)
        assert (found.size, later.size) == (25, 40)
        with pytest.raises(CoreError):
            effect(found, later)
        shown = table(found.profiles(["x"])), table(some_members(found)), hints(found), found.explain(3).to_dict()
        made.append((shown, table(some_members(later)), later.explain(30).to_dict()))
    assert made[0] == made[1]


def test_the_same_download(pair: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    one, many = map(partial(archive, folder=tmp_path), pair)
    assert many == one
