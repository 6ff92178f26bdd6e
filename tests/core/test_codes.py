"""Texts as codes, and numbers hashed many at a time, against what they stand for."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import xxhash

from core.data.codebook import Codebook, alike, equals
from core.data.hashing import hashes_of_numbers
from core.data.ordering import ranks


@pytest.mark.parametrize("seed", [0, 1, 77, (1 << 32) - 1])
def test_hashes_of_numbers_are_those_of_the_library(seed: int) -> None:
    edges = [0, 1, -1, (1 << 63) - 1, -(1 << 63)]
    numbers = np.append(np.random.default_rng(seed).integers(-(1 << 63), (1 << 63) - 1, 200), edges)
    found = hashes_of_numbers(numbers, seed)
    library = [xxhash.xxh3_64_intdigest(int(each).to_bytes(8, "little", signed=True), seed=seed) for each in numbers]
    assert found.tolist() == library


def text(*values: str | None) -> pl.Series:
    return pl.Series(values, dtype=pl.String)


def test_equal_texts_have_equal_codes_in_all_parts() -> None:
    book = Codebook()
    first, second = book.coded("a", text("x", None, "y")), book.coded("a", text("y", "z", "x"))
    assert first.dtype == second.dtype != pl.String
    assert first.to_physical().to_list() == [0, None, 1]
    assert second.to_physical().to_list() == [1, 2, 0]
    assert pl.concat([first, second]).cast(pl.String).to_list() == ["x", None, "y", "y", "z", "x"]


def test_tagged_texts_keep_their_codes_from_part_to_part() -> None:
    book = Codebook()
    for part in (text("x", None, "y"), text("z", "x"), text(None), text()):
        expected = [None if each is None else f"s{each}" for each in part]
        assert book.tagged("a", part).cast(pl.String).to_list() == expected


def test_texts_that_seldom_repeat_stay_texts() -> None:
    book = Codebook()
    ids = text(*(f"id {each}" for each in range(1000)))
    assert book.coded("id", ids).equals(ids)
    assert book.tagged("id", ids).to_list() == [f"sid {each}" for each in range(1000)]
    distinct, places = book.numbered("id", ids)
    assert distinct.gather(places).to_list() == ids.to_list()


@pytest.mark.parametrize("coded", [True, False])
def test_codes_answer_as_texts_do(coded: bool) -> None:
    book, plain = Codebook(), text("b", None, "", "a", "b")
    series = book.coded("a", plain) if coded else plain
    assert equals(series, "b", "c").to_list() == [True, None, False, False, True]
    assert ranks(series).tolist() == [3, 0, 1, 2, 3]
    loud = book.recoded("b", series, lambda texts: texts + "!")
    assert loud.cast(pl.String).to_list() == ["b!", None, "!", "a!", "b!"]
    assert [each.cast(pl.String).to_list() for each in alike(series, text("q"))] == [plain.to_list(), ["q"]]
