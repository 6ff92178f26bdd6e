"""What is measured beside answers: imports and their peak memory, live events, a session's memory, bandwidth."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import duckdb
import numpy as np
import polars as pl

from core import Audience, Dataset
from core.data.recaps import Recap
from tests.benchmarks.audiences import THIRTEEN, Asked, fifty, since
from tests.benchmarks.data import EVENT_MAPPING, Size, make_nested, tables
from tests.benchmarks.engines import NOW, DuckDb, Place, Workbench, fresh, tuned

LIVE: Final = 100_000
NESTED: Final = 4_000_000


def apart(function: Callable[..., Any], *arguments: Any) -> tuple[Any, float, float]:
    """What a function gives in another process, with its seconds and the peak memory in GB (of the biggest process)."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_told, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        found, seconds, peak = mine.recv()
    except EOFError:
        process.join()
        raise SystemExit(f"{function.__name__} ended with {process.exitcode}.") from None
    process.join()
    return found, seconds, peak


def _told(to: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    start = time.perf_counter()
    found = function(*arguments)
    seconds = time.perf_counter() - start
    # `ru_maxrss` of a process begins with that of the one that started it: here, with DuckDB's tables.
    to.send((found, seconds, max(kilobytes("VmHWM"), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1e6))


def kilobytes(what: str) -> int:
    """What Linux says of this process's memory: VmHWM (its peak), RssAnon, RssFile."""
    with open("/proc/self/status") as status:
        said = dict(line.split(":", 1) for line in status)
    return int(said[what].split()[0])


# -- a session --------------------------------------------------------------------------------------------------------


def session(place: Place) -> dict[str, float]:
    """The memory of a session that holds the 13 audiences and has edited each twice, in GB."""
    engine = Workbench(place.folder / "workbench", place.memory_bytes)
    for edit in range(3):
        for asked in THIRTEEN:
            engine.size(asked, edit)
    return {
        "own memory (GB)": kilobytes("RssAnon") / 1e6,
        "mapped columns in memory (GB)": kilobytes("RssFile") / 1e6,
    }


# -- recaps -----------------------------------------------------------------------------------------------------------


def recaps(place: Place) -> dict[str, float]:
    """What it takes to make every recap: they belong to the column cache, which is filled behind a load or when first
    asked for."""
    snapshot = Workbench(place.folder / "workbench", place.memory_bytes).dataset.snapshot
    seconds, size, made = 0.0, 0, 0
    for which in snapshot.named():
        if (found := snapshot.recap(which)) is not None:
            start = time.process_time()
            arrays = Recap.arrays(which, found.covered, snapshot.size)
            seconds += time.process_time() - start
            size += sum(array.nbytes for array in arrays.values())
            made += 1
    return {"made": made, "processor time (s)": seconds, "size (GB)": size / 1e9}


# -- estimates --------------------------------------------------------------------------------------------------------


def estimates(place: Place, rounds: int) -> dict[str, float]:
    """Milliseconds of processor time to the 13 sizes, nothing remembered: evaluated, and estimated from the slice."""
    engine = Workbench(place.folder / "workbench", place.memory_bytes)
    engine.dataset.prepare()
    took: dict[str, list[float]] = {"evaluated (ms)": [], "estimated (ms)": []}
    for edit in range(rounds + 1):
        for name, ask in (("evaluated (ms)", engine.size), ("estimated (ms)", engine.estimate)):
            total = 0.0
            for asked in THIRTEEN:
                engine.forget()
                start = time.process_time()
                ask(asked, edit)
                total += (time.process_time() - start) * 1e3
            took[name].append(total)
    told = {name: statistics.median(each[1:]) for name, each in took.items()}
    return {**told, "evaluated / estimated": told["evaluated (ms)"] / told["estimated (ms)"]}


# -- imports ----------------------------------------------------------------------------------------------------------


def make_sources(size: Size, place: Place) -> None:
    """The events with message ids, and nested batches in four files."""
    target = place.raw / "with-ids.parquet"
    if not target.exists():
        ids = pl.format("{}-{}", pl.col("row").hash(5), pl.col("row").hash(6))
        events = pl.scan_parquet(place.events, row_index_name="row").with_columns(message_id=ids).drop("row")
        events.sink_parquet(target)
    for part in range(4):
        nested = place.raw / f"nested-{part}.jsonl"
        if not nested.exists():
            make_nested(min(NESTED, size.events) // 4, nested, seed=part)


def parquet_workbench(place: Place) -> int:
    """Events a table of Parquet with message ids: de-duplication, identities and the durable files included."""
    dataset = Dataset.create(fresh(place.folder / "import"))
    mapping = {**EVENT_MAPPING, "message_id": "message_id"}
    return dataset.load_table(place.raw / "with-ids.parquet", mapping, workspace="app", input="ios").events


def parquet_duckdb(place: Place) -> int:
    """The same as a native table, ordered by name and time."""
    return _created(place, f"FROM '{place.raw / 'with-ids.parquet'}' ORDER BY event_name, ts")


def nested_workbench(place: Place) -> int:
    """Nested batches, read by as many processes as there are cores, at most four."""
    dataset = Dataset.create(fresh(place.folder / "import"))
    processes = min(4, len(os.sched_getaffinity(0)))
    source = str(place.raw / "nested-*.jsonl")
    return dataset.load_batches(source, workspace="app", input="ios", processes=processes).events


def nested_duckdb(place: Place) -> int:
    """The same by read_json and unnest."""
    files = place.raw / "nested-*.jsonl"
    rows = f"SELECT * EXCLUDE (events), unnest(events) AS event FROM read_json('{files}', format = 'newline_delimited')"
    flat = "mpid, user_attributes, device_info, event.event_type, unnest(event.data)"
    return _created(place, f"SELECT {flat} FROM ({rows})")


def _created(place: Place, query: str) -> int:
    file = place.folder / "import.duckdb"
    file.unlink(missing_ok=True)
    with duckdb.connect(str(file)) as connection:
        tuned(connection, place)
        connection.execute(f"CREATE TABLE events AS {query}")
        found = connection.execute("SELECT count(*) FROM events").fetchone()
    file.unlink()
    return int(found[0]) if found else 0


def imports(place: Place, rounds: int) -> dict[str, float]:
    """Events a second and peak memory of the four ways in, alternating."""
    ways = (parquet_workbench, parquet_duckdb, nested_workbench, nested_duckdb)
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for way in ways:
            events, seconds, peak = apart(way, place)
            found.setdefault(way.__name__.replace("_", ", "), []).append((events / seconds, peak))
    shutil.rmtree(place.folder / "import", ignore_errors=True)
    rates = {name: statistics.median(rate for rate, _ in each) for name, each in found.items()}
    told = {f"{name} (events/s)": round(rate) for name, rate in rates.items()}
    told |= {f"{name}, peak (GB)": max(peak for _, peak in each) for name, each in found.items()}
    for way in ("parquet", "nested"):
        told[f"{way}, workbench / DuckDB"] = rates[f"{way}, workbench"] / rates[f"{way}, duckdb"]
    return told


# -- live events ------------------------------------------------------------------------------------------------------


def live_frames(size: Size, rounds: int) -> list[pl.DataFrame]:
    """Batches of live events of the last ten minutes."""
    frames = []
    for at in range(rounds):
        table = next(iter(tables(Size(size.profiles, min(LIVE, size.events)), seed=100 + at)))
        frame = pl.DataFrame(pl.from_arrow(table))
        frames.append(frame.with_columns(ts=pl.lit(int(NOW.timestamp() * 1000)) - pl.col("ts") % 600_000))
    return frames


def live(size: Size, place: Place, rounds: int) -> dict[str, float]:
    """From 100,000 live events to the adds and drops of 50 audiences; both engines find the same."""
    frames, asked = live_frames(size, rounds), fifty()
    ours, changed = _live_workbench(place, frames, asked)
    theirs, expected = _live_duckdb(place, frames, asked)
    if changed != expected:
        raise SystemExit(f"Adds and drops differ: workbench {changed}, DuckDB {expected}.")
    return {
        "events a batch": min(LIVE, size.events),
        "workbench (s)": statistics.median(ours),
        "DuckDB (s)": statistics.median(theirs),
        "DuckDB / workbench": statistics.median(theirs) / statistics.median(ours),
        "adds and drops of the last batch": sum(changed[-1]),
    }


def _live_workbench(
    place: Place, frames: list[pl.DataFrame], asked: list[Asked]
) -> tuple[list[float], list[tuple[int, int]]]:
    copy = fresh(place.folder / "live")
    # Segments are never written again, so links are as good as copies.
    shutil.copytree(place.folder / "workbench", copy, copy_function=os.link)
    for file in (copy / "MANIFEST.json", copy / ".lock"):
        if file.exists():
            file.unlink()
            shutil.copy(place.folder / "workbench" / file.name, file)
    engine = Workbench(copy, place.memory_bytes)
    wanted = {each.name: Audience.from_dict(each.document()) for each in asked}
    before = {key: each.mask for key, each in _every(engine, wanted).items()}
    took, changed = [], []
    for frame in frames:
        start = time.perf_counter()
        engine.dataset.load_table(frame, EVENT_MAPPING, workspace="app", input="ios")
        adds = drops = 0
        for key, result in _every(engine, wanted).items():
            held = np.zeros(len(result.mask), np.bool_)
            held[: len(before[key])] = before[key]
            adds += int(np.count_nonzero(result.mask & ~held))
            drops += int(np.count_nonzero(held & ~result.mask))
            before[key] = result.mask
        took.append(time.perf_counter() - start)
        changed.append((adds, drops))
    shutil.rmtree(copy)
    return took, changed


def _every(engine: Workbench, wanted: dict[str, Audience]) -> dict[str, Any]:
    return engine.dataset.evaluate_many(wanted, now=NOW, audiences={**engine.named})


def _live_duckdb(
    place: Place, frames: list[pl.DataFrame], asked: list[Asked]
) -> tuple[list[float], list[tuple[int, int]]]:
    connection = duckdb.connect(str(place.folder / "bench.duckdb"))
    tuned(connection, place)
    engine = DuckDb(connection, "duckdb", everything=True)
    took, changed = [], []
    connection.execute("BEGIN")
    for at, each in enumerate(asked):
        connection.execute(f"CREATE TEMP TABLE held_{at} AS {engine._sql(each, 0)}")
    for frame in frames:
        connection.register("arrived", frame.to_arrow())
        start = time.perf_counter()
        connection.execute("INSERT INTO events BY NAME SELECT * FROM arrived")
        adds = drops = 0
        for at, each in enumerate(asked):
            connection.execute(f"CREATE TEMP TABLE now_{at} AS {engine._sql(each, 0)}")
            adds += _missing(connection, f"now_{at}", f"held_{at}")
            drops += _missing(connection, f"held_{at}", f"now_{at}")
            connection.execute(f"DROP TABLE held_{at}; ALTER TABLE now_{at} RENAME TO held_{at}")
        took.append(time.perf_counter() - start)
        changed.append((adds, drops))
    connection.execute("ROLLBACK")
    connection.close()
    return took, changed


def _missing(connection: duckdb.DuckDBPyConnection, these: str, those: str) -> int:
    found = connection.execute(f"SELECT count(*) FROM {these} ANTI JOIN {those} USING (mpid)").fetchone()
    assert found is not None
    return int(found[0])


# -- bytes ------------------------------------------------------------------------------------------------------------


def bandwidth() -> float:
    """Bytes a second that all cores together read from memory, in GB: numpy sums of arrays far beyond the caches."""
    cores = len(os.sched_getaffinity(0))
    arrays = [np.ones(1 << 25, np.int64) for _ in range(cores)]
    best = 0.0
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(7):
            start = time.perf_counter()
            list(pool.map(np.sum, arrays))
            best = max(best, sum(array.nbytes for array in arrays) / (time.perf_counter() - start))
    return best / 1e9


BIG: Final = 5_000_000
SCANS: Final = {
    "A13": ("ts IS NOT NULL", 90, 4),
    "A5": ("event_name = 'product_view'", 90, 4 + 2),
    "A9": ("event_name = 'screen_view'", 30, 4),
    "A1": ("event_name = 'product_view'", 7, 4),
    "A3": ("event_name = 'purchase'", 120, 4),
}
"""Rows that an audience's criterion of events must look at (where, days) and the least bytes of each: the profile, and
the codes compared."""


def touched(place: Place, rounds: int) -> dict[str, float]:
    """How many times longer than the memory's own time the scans take: the criteria of events alone, nothing of them
    in the processor's cache."""
    engine, asked = Workbench(place.folder / "workbench", place.memory_bytes), {each.name: each for each in THIRTEEN}
    told: dict[str, float] = {"memory bandwidth (GB/s)": (read := bandwidth())}
    with duckdb.connect(str(place.folder / "bench.duckdb"), read_only=True) as connection:
        for name, (where, days, width) in SCANS.items():
            found = connection.execute(f"SELECT count(*) FROM events WHERE {where} AND {since(days)}").fetchone()
            if found and (found[0] > BIG or name == "A13"):
                root = asked[name].root(0)
                alone = root if root["type"] == "event" else next(iter(root["criteria"]))
                took_ms = _full_ms(engine, replace(asked[name], root=lambda _, root=alone: root), rounds)
                limit_ms = found[0] * width / read / 1e6
                told[f"{name}: rows"] = int(found[0])
                told[f"{name}: limit (ms)"] = limit_ms
                told[f"{name}: times the limit"] = took_ms / limit_ms
    return told


def _full_ms(engine: Workbench, asked: Asked, rounds: int) -> float:
    """The median time to the size, nothing remembered; the first time does not count."""
    times = []
    for _ in range(rounds + 1):
        engine.forget()
        bandwidth()  # reads so much that the processor's cache holds nothing else
        begun = time.perf_counter()
        engine.size(asked, 0)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:]) * 1000
