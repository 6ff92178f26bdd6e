"""SQL: DuckDB selects the engine's members for every case of the tables, except where the case is named here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import duckdb
import pytest

from core import Audience, Dataset
from core.errors import SqlError
from tests.conformance.cases import Case, cases, dataset_of

MEMBERS = [case for case in cases() if case.expect is not None]
UNSAID: dict[str, str] = {}


class Shelf:
    """DuckDB connections with the views of the cases' datasets; cases that share their data share them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, tuple[Dataset, duckdb.DuckDBPyConnection]] = {}
        self._number = count()

    def __getitem__(self, case: Case) -> tuple[Dataset, duckdb.DuckDBPyConnection]:
        key = json.dumps([case.inputs, case.calculated_attributes, case.tiers, case.profile_retention_days])
        if key not in self._made:
            dataset = dataset_of(case, self._folder / str(next(self._number)))
            connection = duckdb.connect()
            connection.execute(dataset.sql_views())
            self._made[key] = dataset, connection
        return self._made[key]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    return Shelf(tmp_path_factory.mktemp("cases"))


@pytest.mark.parametrize("case", MEMBERS, ids=[case.id for case in MEMBERS])
def test_duckdb_selects_the_members(case: Case, shelf: Shelf) -> None:
    dataset, connection = shelf[case]
    audiences = {key: Audience.from_dict(document) for key, document in case.audiences.items()}
    audience = Audience.from_dict(case.audience)
    if case.id in UNSAID:
        with pytest.raises(SqlError) as caught:
            audience.to_sql(now=case.now, dataset=dataset, audiences=audiences)
        assert caught.value.path == UNSAID[case.id]
        return
    query = audience.to_sql(now=case.now, dataset=dataset, audiences=audiences)
    assert [row[0] for row in connection.execute(query).fetchall()] == case.expect, query
