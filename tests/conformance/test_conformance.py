"""Every case through the public API: the members, or the place of the problem."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from core import Audience, Dataset, DefinitionError
from core.data import compiling
from tests.conformance.cases import Case, cases, dataset_of
from tests.worlds import SHAPES, counting

MEMBERS = [case for case in cases() if case.expect is not None]
ERRORS = [case for case in cases() if case.error is not None]


class Shelf:
    """The datasets of the cases; cases that share their data share the dataset."""

    def __init__(self, folder: Path, shape: str) -> None:
        self._folder, self._shape = folder, shape
        self._made: dict[str, Dataset] = {}
        self._number = count()

    def __getitem__(self, case: Case) -> Dataset:
        key = json.dumps([case.inputs, case.calculated_attributes, case.tiers, case.profile_retention_days])
        if key not in self._made:
            self._made[key] = dataset_of(case, self._folder / str(next(self._number)), self._shape)
        return self._made[key]


@pytest.fixture(scope="module", params=SHAPES)
def shelf(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("cases"), request.param)


@pytest.mark.parametrize("case", MEMBERS, ids=[case.id for case in MEMBERS])
def test_members(case: Case, shelf: Shelf) -> None:
    audiences = {key: Audience.from_dict(document) for key, document in case.audiences.items()}
    for loops in compiling.MODES:
        with counting(loops):
            dataset = Dataset.open(shelf[case].path)  # one that remembers nothing
            result = dataset.evaluate(Audience.from_dict(case.audience), now=case.now, audiences=audiences)
            assert result.members.schema == {"mpid": pl.Int64}
            assert result.members["mpid"].to_list() == case.expect, f"{case.title} ({loops})"
            assert result.size == len(case.expect)


@pytest.mark.parametrize("shelf", ["plain"], indirect=True)
@pytest.mark.parametrize("case", ERRORS, ids=[case.id for case in ERRORS])
def test_errors(case: Case, shelf: Shelf) -> None:
    with pytest.raises(DefinitionError) as caught:
        audiences = {key: Audience.from_dict(document) for key, document in case.audiences.items()}
        shelf[case].evaluate(Audience.from_dict(case.audience), now=case.now, audiences=audiences)
    if case.reports is None:
        assert caught.value.path == case.error, case.title
    else:
        assert {problem.path for problem in caught.value.problems} == set(case.reports), case.title
    assert all(problem.message for problem in caught.value.problems)


def test_ids_are_unique() -> None:
    ids = [case.id for case in cases()]
    assert len(ids) == len(set(ids))
