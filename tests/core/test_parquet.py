"""How the durable files of a segment lie: what they leave out, and that every reader gets it all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq

from core import Dataset
from core.data.manifest import Segment
from core.data.schema import PRODUCT_FIELDS, TABLES, scan

EVENTS: dict[str, Any] = {
    "user": {"column": "who", "as": "mpid"},
    "time": {"column": "at", "unit": "ms"},
    "event": {"column": "what"},
    "default_kind": "ecommerce",
    "message_id": "id",
}
ROWS = {
    "who": [1, 2],
    "at": [1_700_000_000_000, 1_700_000_000_001],
    "what": ["purchase", "purchase"],
    "id": ["m1", "m2"],
}


def loaded(folder: Path, **products: list[str | None]) -> Dataset:
    """A dataset with a load for each field of products that is given, by two people."""
    dataset = Dataset.create(folder / "dataset")
    for input, (field, values) in enumerate(products.items()):
        table = pl.DataFrame({**ROWS, field: values})
        dataset.load_table(table, {**EVENTS, "product": {field: field}}, workspace="shop", input=f"input {input}")
    return dataset


def files(dataset: Dataset, table: str) -> list[Path]:
    return sorted(dataset.path.glob(f"segments/*/{table}.parquet"))


def test_fields_of_products_that_nobody_has_are_not_written(tmp_path: Path) -> None:
    dataset = loaded(tmp_path, name=["Lamp", None], price=["9.5", "10"])
    written = [pl.read_parquet_schema(file)["products"] for file in files(dataset, "events")]
    assert written == [pl.List(pl.Struct({"name": pl.String})), pl.List(pl.Struct({"price": pl.String}))]


def test_they_are_null_for_whoever_reads(tmp_path: Path) -> None:
    dataset = loaded(tmp_path, name=["Lamp", None], price=["9.5", "10"])
    told = [[("Lamp", None)], [], [(None, "9.5")], [(None, "10")]]

    def shown(products: list[list[dict[str, Any]] | None]) -> list[list[tuple[Any, Any]]]:
        assert all({*each} == {*PRODUCT_FIELDS, "attributes"} for some in products for each in some or [])
        return [[(each["name"], each["price"]) for each in some or []] for some in products]

    events = scan("events", files(dataset, "events")).sort("arrival").collect()
    assert events.schema == TABLES["events"]
    tagged = [[tuple(part and f"s{part}" for part in each) for each in some] for some in told]
    assert shown(events["products"].to_list()) == tagged
    with duckdb.connect() as connection:
        connection.execute(dataset.sql_views())
        rows = connection.execute("SELECT products FROM events ORDER BY arrival").fetchall()
        assert shown([products for (products,) in rows]) == tagged
        sql = "SELECT name, price, brand FROM products ORDER BY arrival"
        assert connection.execute(sql).fetchall() == [("sLamp", None, None), (None, "s9.5", None), (None, "s10", None)]


def test_columns_that_are_never_null_say_so(tmp_path: Path) -> None:
    dataset = loaded(tmp_path, name=["Lamp", None])
    schema = pq.read_schema(files(dataset, "events")[0])
    certain = {field.name for field in schema if not field.nullable}
    assert certain >= {"workspace", "kind", "profile", "timestamp_ms", "message_id", "products"}


def test_compaction_leaves_out_and_tells_the_same(tmp_path: Path) -> None:
    """Fields that some file has; a column is null in no row where it is in none of any file."""
    dataset = loaded(tmp_path, name=["Lamp", None], price=["9.5", "10"])
    table = pl.DataFrame({**ROWS, "id": [None, "m2"]})
    dataset.load_table(table, EVENTS, workspace="shop", input="input 2")
    assert dataset.compact(full=True)
    merged = dataset.path / "segments" / dataset.snapshot.manifest.segments[0].name / "events.parquet"
    assert pl.read_parquet_schema(merged)["products"] == pl.List(pl.Struct({"name": pl.String, "price": pl.String}))
    certain = {field.name for field in pq.read_schema(merged) if not field.nullable}
    assert certain >= {"workspace", "kind", "profile", "timestamp_ms", "also"}
    assert not certain & {"message_id", "products"}  # the last load has one id, and no products


def test_compaction_of_events_without_products(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "dataset")
    for input in range(2):
        dataset.load_table(pl.DataFrame(ROWS), EVENTS, workspace="shop", input=f"input {input}")
    assert dataset.compact(full=True)
    merged = dataset.path / "segments" / dataset.snapshot.manifest.segments[0].name / "events.parquet"
    assert "products" not in pl.read_parquet_schema(merged)
    assert scan("events", [merged]).collect()["products"].null_count() == 4


def test_compaction_keeps_all_of_it(tmp_path: Path) -> None:
    dataset = loaded(tmp_path, name=["Lamp", None], price=["9.5", "10"])
    before = scan("events", files(dataset, "events")).sort("arrival").collect()
    assert dataset.compact(full=True)
    segments: tuple[Segment, ...] = dataset.snapshot.manifest.segments
    assert len(segments) == 1
    after = scan("events", [dataset.path / "segments" / segments[0].name / "events.parquet"]).sort("arrival").collect()
    assert after.equals(before)
