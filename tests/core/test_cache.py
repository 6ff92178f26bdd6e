"""The column cache: the same answers with it, without it, and whatever happened to its files."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from core import Audience, Dataset
from core.data import cache

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MAPPING = {
    "rows": "events",
    "user": {"column": "id", "as": "mpid"},
    "time": {"column": "ts", "unit": "ms"},
    "event": {"column": "event"},
    "attributes": ["city"],
}


def table(rows: int, seed: int) -> pl.DataFrame:
    dice = random.Random(seed)
    end = int(NOW.timestamp() * 1000)
    return pl.DataFrame(
        {
            "id": [dice.randrange(500) for _ in range(rows)],
            "ts": [end - dice.randrange(20 * 86_400_000) for _ in range(rows)],
            "event": [dice.choice(["view", "click"]) for _ in range(rows)],
            "city": [dice.choice(["Paris", "Rome", "Oslo"]) for _ in range(rows)],
        }
    )


AUDIENCE = Audience.from_dict(
    {
        "name": "Romans",
        "workspaces": ["app"],
        "definition": {
            "version": 1,
            "root": {
                "type": "event",
                "kind": "custom",
                "name": "view",
                "where": [{"attribute": "city", "operator": "exact_match", "value": "rome"}],
                "frequency": {"operator": "at_least", "value": 5},
                "when": {"type": "within_last", "amount": 9, "unit": "days"},
            },
        },
    }
)


def by_hand(frame: pl.DataFrame) -> list[int]:
    since = int((NOW - timedelta(days=9)).timestamp() * 1000)
    views: dict[int, int] = {}
    for mpid, ts, event, city in frame.rows():
        if event == "view" and city == "Rome" and ts >= since:
            views[mpid] = views.get(mpid, 0) + 1
    return sorted(mpid for mpid, count in views.items() if count >= 5)


@pytest.fixture
def frame() -> pl.DataFrame:
    return table(cache.LEAST_ROWS * 3, seed=4)


@pytest.fixture
def folder(tmp_path: Path, frame: pl.DataFrame) -> Path:
    dataset = Dataset.create(tmp_path / "dataset")
    dataset.load_table(frame, MAPPING, workspace="app", input="web")
    return tmp_path / "dataset"


def members(folder: Path) -> list[int]:
    return Dataset.open(folder).evaluate(AUDIENCE, now=NOW).members["mpid"].to_list()


def files(folder: Path) -> list[Path]:
    return sorted((folder / "cache").rglob("*.columns"))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 0xFF
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def of_another_version(file: Path) -> None:
    file.write_bytes(b"WBCOLS00" + file.read_bytes()[8:])


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("harm", [Path.unlink, cut, flip, of_another_version, empty])
def test_a_harmed_cache_is_made_again(folder: Path, frame: pl.DataFrame, harm: Callable[[Path], None]) -> None:
    assert members(folder) == by_hand(frame)
    made = files(folder)
    assert made, "the dataset is big enough for a cache"
    before = {file: file.read_bytes() for file in made}
    for file in made:
        harm(file)
    assert members(folder) == by_hand(frame)
    assert {file: file.read_bytes() for file in files(folder)} == before


def test_the_cache_of_another_dataset_is_not_read(tmp_path: Path, folder: Path, frame: pl.DataFrame) -> None:
    other_frame = table(cache.LEAST_ROWS * 3, seed=5)
    other = Dataset.create(tmp_path / "other")
    other.load_table(other_frame, MAPPING, workspace="app", input="web")
    assert members(folder) == by_hand(frame)
    assert members(tmp_path / "other") == by_hand(other_frame) != by_hand(frame)
    mine, theirs = next((folder / "cache").iterdir()), next((tmp_path / "other" / "cache").iterdir())
    for file in theirs.iterdir():
        (mine / file.name).write_bytes(file.read_bytes())
    assert members(folder) == by_hand(frame)


def test_a_folder_that_cannot_be_written_only_costs_time(folder: Path, frame: pl.DataFrame) -> None:
    shutil.rmtree(folder / "cache", ignore_errors=True)
    (folder / "cache").write_text("no folder")
    assert members(folder) == by_hand(frame)


def test_the_cache_of_segments_that_are_gone_goes(folder: Path, frame: pl.DataFrame) -> None:
    members(folder)
    before = {each.name for each in (folder / "cache").iterdir()}
    dataset = Dataset.open(folder)
    dataset.load_table(table(cache.LEAST_ROWS, seed=6), MAPPING, workspace="app", input="web")
    assert dataset.compact(full=True)
    del dataset
    merged = Dataset.open(folder)
    merged.prepare()
    merged.add_input("app", "ios")  # a writer cleans up before it begins
    after = {each.name for each in (folder / "cache").iterdir()}
    assert before and after and not before & after
    both = pl.concat([frame, table(cache.LEAST_ROWS, seed=6)])
    assert members(folder) == by_hand(both)


def test_preparing_stops_when_asked(folder: Path) -> None:
    shutil.rmtree(folder / "cache", ignore_errors=True)
    asked: list[int] = []

    def going() -> bool:
        asked.append(len(files(folder)))
        return False

    Dataset.open(folder).prepare(going)
    assert len(set(asked)) == 1, "nothing is made after it was told to stop"
    Dataset.open(folder).prepare()
    assert len(files(folder)) >= 4, "rows, activity, attributes, products at least"
