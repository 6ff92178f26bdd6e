"""Bytes that changed inside a Parquet file: words instead of other rows."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from core import Audience, Dataset, DatasetError
from core.data.checksums import is_whole
from core.data.schema import held_columns, scan
from tests.core.test_parquet import files, loaded

NOW = datetime(2023, 11, 15, tzinfo=UTC)
BOUGHT = {"type": "event", "kind": "ecommerce", "where_product": [{"field": "name", "operator": "exists"}]}


def pages(file: Path) -> dict[str, tuple[int, int]]:
    """Where the first page's bytes of each column lie: the last half of the chunk is behind every header."""
    group = pq.read_metadata(file).row_group(0)
    found = {}
    for chunk in (group.column(at) for at in range(group.num_columns)):
        begin = chunk.dictionary_page_offset or chunk.data_page_offset
        found[chunk.path_in_schema.partition(".")[0]] = begin, begin + chunk.total_compressed_size
    return found


def flip(file: Path, at: int, bit: int = 1) -> None:
    """Changes one bit; the file stays the same but for that, its time apart."""
    held = bytearray(file.read_bytes())
    held[at] ^= bit
    file.write_bytes(held)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return loaded(tmp_path, name=["Lamp", None])


def test_a_page_that_changed_is_told_by_who_asks_for_its_column(dataset: Dataset) -> None:
    file = files(dataset, "events")[0]
    ends = pages(file)
    flip(file, ends["message_id"][1] - 1)
    with pytest.raises(DatasetError, match="is damaged") as caught:
        scan("events", [file])
    assert str(file) in caught.value.message
    assert "backup" in caught.value.hint
    with pytest.raises(DatasetError, match="is damaged"):
        scan("events", [file], ["message_id"])
    told = scan("events", [file], ["profile", "timestamp_ms"]).sort("timestamp_ms").collect()
    assert told["timestamp_ms"].to_list() == [1_700_000_000_000, 1_700_000_000_001]


def test_an_audience_is_refused_and_counts_again_once_the_file_is_restored(dataset: Dataset) -> None:
    document = {"name": "Bought", "workspaces": ["shop"], "definition": {"version": 1, "root": BOUGHT}}
    file, kept = files(dataset, "events")[0], dataset.path / "kept"
    shutil.copy(file, kept)
    flip(file, pages(file)["products"][1] - 1)
    with pytest.raises(DatasetError, match="is damaged"):
        Dataset.open(dataset.path).evaluate(Audience.from_dict(document), now=NOW)
    shutil.copy(kept, file)
    assert Dataset.open(dataset.path).evaluate(Audience.from_dict(document), now=NOW).size == 1


def test_a_load_into_a_damaged_dataset_changes_nothing(dataset: Dataset) -> None:
    file = files(dataset, "profiles")[0]
    flip(file, pages(file)["mpid"][1] - 1)
    table = pl.DataFrame({"who": [1], "at": [1_700_000_000_002], "what": ["purchase"]})
    mapping = {"user": {"column": "who", "as": "mpid"}, "time": {"column": "at", "unit": "ms"}}
    mapping |= {"event": {"column": "what"}}
    version = dataset.version
    with pytest.raises(DatasetError, match="is damaged"):
        dataset.load_table(table, mapping, workspace="shop", input="input 0")
    assert Dataset.open(dataset.path).version == version


@pytest.mark.parametrize("table", ["events", "profiles"])
def test_no_bit_of_a_page_or_its_header_gives_other_rows(dataset: Dataset, table: str) -> None:
    """Of a header, what does not matter may change, and polars may be the one who refuses it."""
    file = files(dataset, table)[0]
    expected, untouched = scan(table, [file]).collect(), file.read_bytes()
    last = max(end for _, end in pages(file).values())
    told = 0
    for at in range(4, last, 5):
        other = file.with_name(f"{at}.parquet")
        other.write_bytes(untouched)
        flip(other, at, 1 << at % 8)
        try:
            assert scan(table, [other]).collect().equals(expected)
        except (DatasetError, pl.exceptions.ComputeError):
            told += 1
        other.unlink()
    assert told > (last - 4) / 5 / 2


@pytest.mark.parametrize("table", ["events", "profiles"])
def test_no_bit_of_the_index_gives_anything_but_words(dataset: Dataset, table: str) -> None:
    """The index ends the file: a thrift struct, its length, and the magic. Its checksum stands before it."""
    file = files(dataset, table)[0]
    untouched = file.read_bytes()
    begin = len(untouched) - 8 - int.from_bytes(untouched[-8:-4], "little")
    assert untouched[begin - 8 : begin - 4] == b"CRCI"
    for at in range(begin - 4, len(untouched)):
        other = file.with_name(f"{at}.parquet")
        other.write_bytes(untouched)
        flip(other, at, 1 << at % 8)
        with pytest.raises(DatasetError, match="is damaged") as caught:
            scan(table, [other], ["profile"])
        assert str(other) in caught.value.message
        with pytest.raises(DatasetError, match="is damaged"):
            held_columns(other)
        other.unlink()


@pytest.mark.parametrize("held", [b"PAR1", b"PAR1PAR1", b"PAR1\xff\xff\xff\x7fPAR1", b"PAR1\0\0\0\0PAR1"])
def test_a_file_that_has_no_index_is_damaged(tmp_path: Path, held: bytes) -> None:
    file = tmp_path / "events.parquet"
    file.write_bytes(held)
    with pytest.raises(DatasetError, match="is damaged"):
        scan("events", [file])


@pytest.mark.parametrize("place", [0, 12])
def test_an_index_without_checksum_that_says_nothing_is_damaged(tmp_path: Path, place: int) -> None:
    """As earlier versions wrote it: what pyarrow cannot read is told in the same words."""
    file = tmp_path / "profiles.parquet"
    pq.write_table(pl.DataFrame({"profile": [1], "mpid": [1]}).to_arrow(), file)
    held = bytearray(file.read_bytes())
    begin = len(held) - 8 - int.from_bytes(held[-8:-4], "little")
    held[begin + place : begin + place + 8] = b"\xff" * 8
    file.write_bytes(held)
    with pytest.raises(DatasetError, match="is damaged"):
        scan("profiles", [file])


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_of_both_versions_are_read(tmp_path: Path, version: str) -> None:
    file = tmp_path / "file.parquet"
    table = pl.DataFrame({"a": range(5000), "b": [["x"], None] * 2500}).to_arrow()
    pq.write_table(table, file, data_page_version=version, write_page_checksum=True)
    assert is_whole(file)
    flip(file, pages(file)["b"][1] - 1)
    assert not is_whole(file)


def test_files_without_checksums_pass(tmp_path: Path) -> None:
    file = tmp_path / "old.parquet"
    pq.write_table(pl.DataFrame({"a": [1, 2], "b": ["x", None]}).to_arrow(), file)
    assert is_whole(file)
    flip(file, pages(file)["a"][1] - 1)
    assert is_whole(file)  # nobody can tell


def test_what_was_checked_is_not_read_again(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    file = files(dataset, "events")[0]
    assert is_whole(file, ["kind"])
    monkeypatch.setattr("core.data.checksums.zlib.crc32", lambda _: -1)
    assert is_whole(file, ["kind"])
    assert not is_whole(file, ["name"])
    assert is_whole(file, ["name"], rows=(10, 5))  # there are no such rows
