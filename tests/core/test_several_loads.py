"""What several loads hold of one property: judged once, added up exactly, narrowed by name, as one by one by hand."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from core import Audience, Dataset
from core.criteria import verdicts
from core.data import compiling
from core.data.coded import FIRST, Dictionary
from core.data.vocabulary import Vocabulary
from tests.core.test_cache import NOW
from tests.worlds import counting

DAY_MS = 86_400_000
END_MS = round(NOW.timestamp() * 1000)
MAPPING = {
    "rows": "events",
    "user": {"column": "id", "as": "mpid"},
    "time": {"column": "ts", "unit": "ms"},
    "event": {"column": "event"},
    "attributes": ["amount", "group"],
}
AMOUNTS: tuple[Callable[[random.Random], str], ...] = (
    lambda dice: str(dice.randrange(-3_000_000_000, 3_000_000_000)),
    lambda dice: f"{dice.randrange(-200, 900)}.{dice.randrange(100):02d}",
    lambda dice: dice.choice(["0.001", "1e2", "none", "7"]),
)
"""Loads differ in size, sign, decimals and in what is a number."""


def table(part: int, rows: int = 3_000) -> pl.DataFrame:
    dice = random.Random(part)
    names = ["spent", "home one", "home two", "help"]
    events = [dice.choice(names) for _ in range(rows)]
    return pl.DataFrame(
        {
            "id": [dice.randrange(1, 60) for _ in range(rows)],
            "ts": [END_MS - dice.randrange(30 * DAY_MS) for _ in range(rows)],
            "event": events,
            "amount": [AMOUNTS[part % 3](dice) for _ in range(rows)],
            # The same for all events of a name in the first loads, not in the last.
            "group": [f"of {name}" if part < 2 or dice.random() < 0.5 else "other" for name in events],
        }
    )


def asked(root: dict[str, Any]) -> Audience:
    return Audience.from_dict({"name": "x", "workspaces": ["app"], "definition": {"version": 1, "root": root}})


def loaded(path: Path, parts: int) -> tuple[Dataset, pl.DataFrame]:
    dataset, frames = Dataset.create(path), [table(part) for part in range(parts)]
    for part, frame in enumerate(frames):
        dataset.load_table(frame, MAPPING, workspace="app", input=["web", "ios"][part % 2])
    return dataset, pl.concat(frames)


def number(text: str) -> Fraction | None:
    return None if text == "none" else Fraction(text)


@pytest.mark.parametrize("loops", compiling.MODES)
@pytest.mark.parametrize("function", ["sum", "average"])
def test_windows_of_sums_that_move(tmp_path: Path, function: str, loops: compiling.Mode) -> None:
    """Whatever is remembered of other windows, moments and loads, a sum is that of its own events, exactly."""
    with counting(loops):
        dataset, rows = Dataset.create(tmp_path / "dataset"), pl.DataFrame()
        dice = random.Random(7)
        for part in range(3):
            rows = pl.concat([rows, table(part)]) if len(rows) else table(part)
            dataset.load_table(table(part), MAPPING, workspace="app", input=["web", "ios"][part % 2])
            for _ in range(12):
                days, later = dice.choice([1, 5, 5.5, 20, 29]), dice.choice([0, 0, 1, 7])
                now = NOW + timedelta(hours=later)
                first = END_MS + later * 3_600_000 - round(days * DAY_MS)
                root = {
                    "type": "event",
                    "kind": "custom",
                    "name": "spent",
                    "when": {"type": "within_last", "amount": days, "unit": "days"},
                    "aggregate": {
                        "function": function,
                        "of": {"attribute": "amount"},
                        "operator": "at_least",
                        "value": 5,
                    },
                }
                found: dict[int, list[Fraction]] = defaultdict(list)
                for who, ts, event, amount, _ in rows.iter_rows():
                    if event == "spent" and ts >= first and (value := number(amount)) is not None:
                        found[who].append(value)
                whole = {who: sum(each) / (len(each) if function == "average" else 1) for who, each in found.items()}
                result = dataset.evaluate(asked(root), now=now)
                assert result.members["mpid"].to_list() == sorted(who for who, each in whole.items() if each >= 5)


@pytest.mark.parametrize("loops", compiling.MODES)
@pytest.mark.parametrize("many", [1, 5_000_000])
@pytest.mark.parametrize(("operator", "value"), [("starts_with", "of home"), ("does_not_match", "of help")])
def test_properties_that_are_the_same_for_a_name(
    tmp_path: Path, operator: str, value: str, many: int, loops: compiling.Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are left out where a property settles it, and rows are looked at where it does not; whether the values of
    the loads are put together or each load's are judged by themselves."""
    monkeypatch.setattr(verdicts, "_MANY", many)
    dataset, rows = loaded(tmp_path / "dataset", 3)
    counts: dict[int, int] = defaultdict(int)
    for who, _, _, _, group in rows.iter_rows():
        counts[who] += group.startswith(value) if operator == "starts_with" else group != value
    middle = sorted(counts.values())[len(counts) // 2]
    root = {
        "type": "event",
        "kind": "custom",
        "where": [{"attribute": "group", "operator": operator, "value": value}],
        "frequency": {"operator": "at_least", "value": middle},
    }
    with counting(loops):
        members = dataset.evaluate(asked(root), now=NOW).members["mpid"].to_list()
    assert members == sorted(who for who, count in counts.items() if count >= middle)


def test_different_values_of_several_loads(tmp_path: Path) -> None:
    dataset, rows = loaded(tmp_path / "dataset", 4)
    aggregate = {"function": "unique_count", "of": {"attribute": "group"}, "operator": "at_least", "value": 1}
    result = dataset.evaluate(asked({"type": "event", "kind": "custom", "aggregate": aggregate}), now=NOW)
    expected = rows.group_by("id").agg(pl.col("group").n_unique()).sort("id")
    assert result.measure("root").rows() == expected.rows()


def test_a_vocabulary_only_grows() -> None:
    vocabulary = Vocabulary()
    first, second = (Dictionary(pl.Series(entries)) for entries in (["sa", "sc"], ["sb", "sc", "sd"]))
    assert vocabulary.of([first]) is first, "one dictionary is its own vocabulary"
    assert vocabulary.codes(first) is None
    whole = vocabulary.of([second, first])
    assert whole.entries.to_list() == ["sa", "sc", "sb", "sd"]
    assert vocabulary.of([first]) is whole
    table = np.zeros(len(whole), np.bool_)
    table[[FIRST + 1, FIRST + 2]] = True  # c and b
    assert vocabulary.seen_from(second, table).tolist() == [False, False, True, True, False]
    assert vocabulary.seen_from(first, table)[: len(first)].tolist() == [False, False, False, True]
    assert vocabulary.of([Dictionary(pl.Series(["sa", "sd"]))]) is whole, "nothing new"


def test_what_suits_a_vocabulary() -> None:
    """What it would hardly grow by; nothing grows an empty one too much."""
    known, alike, other = (
        Dictionary(pl.Series(entries)) for entries in (["sa", "sb"], ["sb", "sc"], ["sb", "sx", "sy"])
    )
    vocabulary = Vocabulary()
    assert vocabulary.suits([other])
    vocabulary.of([known])
    assert vocabulary.suits([known]) and vocabulary.suits([alike])
    assert not vocabulary.suits([other]) and not vocabulary.suits([other, known])
    assert vocabulary.of([known]).entries.to_list() == ["sa", "sb"], "asking adds nothing"


def test_few_new_texts_come_behind_many() -> None:
    vocabulary = Vocabulary()
    many, few = Dictionary(pl.Series([f"s{at}" for at in range(70_000)])), Dictionary(pl.Series(["snew", "s69999"]))
    vocabulary.of([many])
    assert len(vocabulary.of([few]).entries) == 70_001
    assert vocabulary.codes(few).tolist() == [0, 1, 70_002, 70_001]  # type: ignore[union-attr]


def test_texts_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were all hashes the same, codes would be as they are."""
    texts = (["sa", "sb"], ["sc", "sb", "sd"], ["sd", "sa"])

    def codes() -> tuple[list[str], list[list[int]]]:
        vocabulary = Vocabulary()
        dictionaries = [Dictionary(pl.Series(entries)) for entries in texts]
        vocabulary.of(dictionaries[:1])
        whole = vocabulary.of(dictionaries)
        return whole.entries.to_list(), [vocabulary.codes(each).tolist() for each in dictionaries[1:]]  # type: ignore[union-attr]

    told = codes()
    assert told == (["sa", "sb", "sc", "sd"], [[0, 1, 4, 3, 5], [0, 1, 5, 2]])
    monkeypatch.setattr(pl.Series, "hash", lambda self: pl.repeat(7, len(self), dtype=pl.UInt64, eager=True))
    assert codes() == told
