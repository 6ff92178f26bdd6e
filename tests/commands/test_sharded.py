"""Every command on a sharded dataset says what it says on one that is not split."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import polars as pl
import pytest

from core import Dataset
from tests.commands.conftest import BATCHES, batch, lines
from tests.commands.running import Done, audience, save, workbench

GOLD = {"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"}
PLAYED = {"type": "event", "kind": "custom", "name": "Play"}
PLAYS = {"type": "calculated_attribute", "name": "plays", "operator": "at_least", "value": 1}
COUNT = {"name": "plays", "calculation": "count", "event": PLAYED}


@pytest.fixture
def shops(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders with a dataset `shop` of the same people, whole and in three shards."""
    more = [batch(number, number % 5, user_attributes={"tier": "basic"}) for number in range(4, 40)]
    folders = tmp_path / "whole", tmp_path / "split"
    for folder, shards in zip(folders, ((), ("--shards", 3)), strict=True):
        folder.mkdir()
        (folder / "batches.jsonl").write_text(lines([*BATCHES, *more]))
        scope = ("--dataset", "shop", "--workspace", "app", "--input", "ios")
        assert workbench(folder, "import", "batches.jsonl", *scope, *shards).code == 0
        save(folder / "count.json", COUNT)
        save(folder / "A.json", audience({"type": "or", "criteria": [GOLD, PLAYED]}))
        save(folder / "B.json", audience({"type": "and", "criteria": [PLAYS, {"type": "not", "criterion": GOLD}]}))
    return folders


def both(shops: tuple[Path, Path], *arguments: object) -> tuple[Done, Done]:
    """A command in both folders; it must succeed."""
    whole, split = (workbench(folder, *arguments, "--dataset", "shop") for folder in shops)
    assert (whole.code, split.code, whole.err) == (0, 0, split.err), (whole, split)
    return whole, split


def test_every_command(shops: tuple[Path, Path]) -> None:
    assert Dataset.open(shops[1] / "shop").shard_count == 3
    scope = ("--workspace", "app")
    for said in (
        ("calculated-attribute", "add", "count.json", *scope),
        ("calculated-attribute", "list", *scope),
        ("tier", "set", "--kind", "custom", "--name", "Heartbeat", "--tier", "preserve", *scope),
        ("tier", "list", *scope),
        ("check", "A.json", "--json"),
        ("check", "B.json"),
        ("estimate", "A.json", "--json"),
        ("estimate", "B.json"),
        ("convert", "A.json", "--to", "sql"),
        ("profile", "1", "--json"),
        ("profile", "three@x"),
        ("compact",),
        ("calculated-attribute", "remove", "plays", *scope),
    ):
        whole, split = both(shops, *said)
        assert whole.out.replace(str(shops[0]), "") == split.out.replace(str(shops[1]), ""), said


@pytest.mark.parametrize("now", [(), ("--now", "2026-06-28T00:00:00Z")])
def test_evaluate(shops: tuple[Path, Path], now: tuple[str, ...]) -> None:
    both(shops, "calculated-attribute", "add", "count.json", "--workspace", "app")
    for name in ("A.json", "B.json"):
        whole, split = (done.json for done in both(shops, "evaluate", name, "--json", *now))
        assert {**whole, "seconds": 0} == {**split, "seconds": 0}
        for form in ("csv", "parquet"):
            both(shops, "evaluate", name, "--members", f"m.{form}", *now)
        frames = [(pl.read_csv(each / "m.csv"), pl.read_parquet(each / "m.parquet")) for each in shops]
        assert all(left.equals(right) for left, right in zip(*frames, strict=True))
        assert frames[0][1].height == whole["size"]


def test_download(shops: tuple[Path, Path]) -> None:
    for number, more in enumerate(((), ("--sample", 2))):
        both(shops, "download", "A.json", "--identity-types", "email,customer_id", "--out", f"{number}.zip", *more)
        rows = []
        for folder in shops:
            with ZipFile(folder / f"{number}.zip") as archive:
                csv = next(name for name in archive.namelist() if name.endswith(".csv"))
                rows.append(archive.read(csv))
        assert rows[0] == rows[1]
        assert b"one@x" in rows[0] or number == 1
