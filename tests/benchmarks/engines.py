"""The engines side by side: each imports the same files and answers the same audiences, as sizes and as members."""

from __future__ import annotations

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from core import Audience, Dataset, Estimate
from core.data import compiling
from tests.benchmarks.audiences import SPENT_EVER, THIRTEEN, Asked
from tests.benchmarks.data import END_MS, EVENT_MAPPING, INPUTS, PROFILE_MAPPING
from tests.benchmarks.in_polars import QUERIES, Frames

NOW: Final = datetime.fromtimestamp(END_MS / 1000, UTC)
Members = npt.NDArray[np.int64]
LOW_CARDINALITY: Final = ("platform", "app_version", "screen_name", "product", "category", "campaign")


class Engine(ABC):
    """One way of answering."""

    name: str
    everything: bool
    """Whether it answers the audiences of every kind of criterion, too, not only the 13."""

    @abstractmethod
    def size(self, asked: Asked, edit: int) -> int:
        """How many members: what is timed."""

    @abstractmethod
    def members(self, asked: Asked, edit: int) -> Members:
        """The members' mpids, ascending."""


class Workbench(Engine):
    """The workbench, through its public names."""

    name, everything = "workbench", True

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        self.dataset = Dataset.open(folder, memory_bytes=memory_bytes)
        with compiling.only("compiled"):
            pass  # the compiled loops load in the background of a process's first second; they are waited for here
        self.named: Mapping[str, Audience] = {
            each.name: Audience.from_dict(each.document()) for each in THIRTEEN if each.name in ("A2", "A7", "A8")
        }

    def forget(self) -> None:
        """Leave behind what was computed; columns stay mapped, as tables stay in the others' buffers."""
        self.dataset = self.dataset.fresh()

    def size(self, asked: Asked, edit: int) -> int:
        return self.dataset.evaluate(Audience.from_dict(asked.document(edit)), now=NOW, audiences=self.named).size

    def estimate(self, asked: Asked, edit: int) -> Estimate:
        """The size as it is estimated from the sample."""
        return self.dataset.estimate(Audience.from_dict(asked.document(edit)), now=NOW, audiences=self.named)

    def members(self, asked: Asked, edit: int) -> Members:
        result = self.dataset.evaluate(Audience.from_dict(asked.document(edit)), now=NOW, audiences=self.named)
        return result.members["mpid"].to_numpy()


class NumpyOnly(Workbench):
    """The workbench without compiled loops, as it answers until they are loaded."""

    name, everything = "workbench-numpy", False

    def size(self, asked: Asked, edit: int) -> int:
        with compiling.only("numpy"):
            return super().size(asked, edit)


class DuckDb(Engine):
    """DuckDB over native tables (events ordered by name and time), or over Parquet files an event name."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, everything: bool) -> None:
        self.connection, self.name, self.everything = connection, name, everything

    def size(self, asked: Asked, edit: int) -> int:
        found = self.connection.execute(f"SELECT count(*) FROM ({self._sql(asked, edit)}) AS m").fetchone()
        assert found is not None
        return int(found[0])

    def members(self, asked: Asked, edit: int) -> Members:
        return np.sort(self.connection.execute(self._sql(asked, edit)).fetchnumpy()["mpid"])

    def _sql(self, asked: Asked, edit: int) -> str:
        return asked.sql(edit).replace("{has}", "list_contains")


class ClickHouse(Engine):
    """ClickHouse in the process (chdb): MergeTree ordered by name and time, texts of few values as LowCardinality."""

    name, everything = "chdb", False

    def __init__(self, folder: Path) -> None:
        from chdb.session import Session

        self.session = Session(str(folder))

    def size(self, asked: Asked, edit: int) -> int:
        return int(self._ask(f"SELECT count() FROM ({self._sql(asked, edit)}) AS m", "TabSeparated").bytes())

    def members(self, asked: Asked, edit: int) -> Members:
        found = self._ask(f"SELECT mpid FROM ({self._sql(asked, edit)}) AS m", "RowBinary").bytes()
        return np.sort(np.frombuffer(found, np.int64))

    def _ask(self, sql: str, form: str) -> Any:
        return self.session.query(sql, form)

    def _sql(self, asked: Asked, edit: int) -> str:
        return asked.sql(edit).replace("{has}", "has")


class PlainPolars(Engine):
    """polars without an engine around it."""

    name, everything = "polars", False

    def __init__(self, folder: Path, profiles: Path) -> None:
        self.frames = Frames(folder, profiles)

    def size(self, asked: Asked, edit: int) -> int:
        return int(QUERIES[asked.name](self.frames, edit).select(pl.len()).collect().item())

    def members(self, asked: Asked, edit: int) -> Members:
        return np.sort(QUERIES[asked.name](self.frames, edit).select("mpid").collect()["mpid"].to_numpy())


def has_chdb() -> bool:
    """Whether chdb is installed; `make bench` does it, `make test` does not."""
    return find_spec("chdb") is not None


# -- imports ----------------------------------------------------------------------------------------------------------


class Place:
    """Where the files of one size lie, and the engines' data made of them."""

    def __init__(self, folder: Path, shards: int | None = None, compact: bool = True, gigabytes: int = 1) -> None:
        """`gigabytes`: how much the workbench may remember."""
        self.folder, self.shards, self.compact, self.memory_bytes = folder, shards, compact, gigabytes << 30
        self.raw = folder / "raw"

    @property
    def events(self) -> list[Path]:
        """The events, one file an input."""
        return [self.raw / f"events-{name}.parquet" for name in INPUTS]

    @property
    def profiles(self) -> Path:
        """The profiles."""
        return self.raw / "profiles.parquet"

    @property
    def consents(self) -> Path:
        """The consents; as batches beside it."""
        return self.raw / "consents.parquet"

    @property
    def event_files(self) -> str:
        """The events as DuckDB and ClickHouse name many files."""
        return str(self.raw / "events-*.parquet")


def fresh(folder: Path) -> Path:
    """The folder without what a run that was stopped left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def import_workbench(place: Place) -> int:
    """Profiles, consents, then the events input by input, through the public API; then compacted, if wished.

    A load is all or nothing, so what a run that was stopped has loaded stays. Returns the events of this run.
    """
    folder = place.folder / "workbench"
    dataset = Dataset.open(folder) if (folder / "MANIFEST.json").exists() else _started(fresh(folder), place)
    known = dataset.workspaces["app"].inputs
    loaded = 0
    for name, file in zip(INPUTS, place.events, strict=True):
        if name not in known:
            loaded += dataset.load_table(file, EVENT_MAPPING, workspace="app", input=name).events
    if "spent" not in dataset.workspaces["app"].calculated_attributes:
        dataset.add_calculated_attribute(SPENT_EVER, workspace="app")
    if place.compact:
        dataset.compact(full=True)
    return loaded


def _started(folder: Path, place: Place) -> Dataset:
    """A dataset with profiles and consents; its manifest appears in the folder when both are there."""
    made = fresh(folder.with_name("unfinished"))
    dataset = Dataset.create(made, shards=place.shards)
    dataset.load_table(place.profiles, PROFILE_MAPPING, workspace="app", input="crm", kind="feed")
    dataset.load_batches(str(place.consents.with_suffix(".jsonl")), workspace="app", input="crm", kind="feed")
    del dataset
    made.rename(folder)
    return Dataset.open(folder)


def import_duckdb(place: Place) -> None:
    """Native tables; events ordered by name and time."""
    file = place.folder / "bench.duckdb"
    for each in (file, file.with_suffix(".duckdb.wal")):
        each.unlink(missing_ok=True)
    with duckdb.connect(str(file)) as connection:
        tuned(connection, place)
        connection.execute(
            f"CREATE TABLE profiles AS FROM '{place.profiles}'; CREATE TABLE consents AS FROM '{place.consents}';"
            f"CREATE TABLE events AS FROM '{place.event_files}' ORDER BY event_name, ts"
        )


def tuned(connection: duckdb.DuckDBPyConnection, place: Place) -> None:
    """A third of the machine's memory, the rest in the benchmark's folder; no progress bar between the lines."""
    gigabytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 3e9
    connection.execute(f"SET memory_limit = '{gigabytes:.1f}GB'; SET enable_progress_bar = false")
    connection.execute(f"SET temp_directory = '{place.folder / 'spill'}'")


def import_parquet(place: Place) -> None:
    """One Parquet folder an event name, ordered by time: what polars and DuckDB scan."""
    with duckdb.connect(str(place.folder / "bench.duckdb"), read_only=True) as connection:
        tuned(connection, place)
        target = fresh(place.folder / "parquet")
        connection.execute(f"COPY events TO '{target}' (FORMAT parquet, PARTITION_BY (event_name))")


def import_chdb(place: Place) -> None:
    """MergeTree tables in ClickHouse's own format."""
    session = ClickHouse(fresh(place.folder / "chdb")).session
    for table, files, order in (("events", place.event_files, "event_name, ts"), ("profiles", place.profiles, "mpid")):
        described = session.query(f"DESCRIBE file('{files}', Parquet)", "TabSeparated")
        columns = [line.split("\t")[:2] for line in str(described).splitlines()]
        types = ", ".join(f"{name} {_type(name, kind)}" for name, kind in columns)
        session.query(f"CREATE TABLE {table} ({types}) ENGINE = MergeTree ORDER BY ({order})")
        session.query(f"INSERT INTO {table} SELECT * FROM file('{files}', Parquet)")
    session.close()


def _type(name: str, kind: str) -> str:
    if name in ("mpid", "ts"):
        return "Int64"
    if name == "event_name":
        return "LowCardinality(String)"
    return "LowCardinality(Nullable(String))" if name in LOW_CARDINALITY else kind


def open_native(place: Place) -> Engine:
    """DuckDB over its native tables."""
    connection = duckdb.connect(str(place.folder / "bench.duckdb"), read_only=True)
    tuned(connection, place)
    return DuckDb(connection, "duckdb", everything=True)


def open_parquet(place: Place) -> Engine:
    """DuckDB over the Parquet files an event name."""
    connection = duckdb.connect()
    tuned(connection, place)
    connection.execute(
        f"CREATE VIEW profiles AS FROM '{place.profiles}'; CREATE VIEW events AS "
        f"FROM read_parquet('{place.folder / 'parquet' / '*' / '*.parquet'}', hive_partitioning = true)"
    )
    return DuckDb(connection, "duckdb-parquet", everything=False)


OPENERS: Final[dict[str, Callable[[Place], Engine]]] = {
    "workbench": lambda place: Workbench(place.folder / "workbench", place.memory_bytes),
    "duckdb": open_native,
    "duckdb-parquet": open_parquet,
    "chdb": lambda place: ClickHouse(place.folder / "chdb"),
    "polars": lambda place: PlainPolars(place.folder / "parquet", place.profiles),
    "workbench-numpy": lambda place: NumpyOnly(place.folder / "workbench", place.memory_bytes),
}
"""Engines by name; the workbench and native DuckDB always run."""
