"""SQL: DuckDB selects the engine's members over the views, for every case of the tables; what cannot be said raises."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from core import Audience, CoreError, Dataset, DefinitionError
from core.dialects import DIALECTS
from core.errors import SqlError
from tests.conformance.cases import Case, cases, dataset_of
from tests.strategies import Dice, situation
from tests.worlds import dataset_of as dataset_of_situation
from tests.worlds import moment, named_audiences, scratch

MEMBERS = [case for case in cases() if case.expect is not None]
UNSAID: dict[str, str] = {}
"""The cases that SQL cannot say, each with the path that the error names. None today."""
DOC = Path(__file__).parents[2] / "docs" / "sql.md"
JANUARY = datetime(2026, 1, 31, 12, tzinfo=UTC)


def connected(dataset: Dataset) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(dataset.sql_views())
    return connection


class Shelf:
    """The datasets of the cases with DuckDB connections over them; cases that share their data share both."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, tuple[Dataset, duckdb.DuckDBPyConnection]] = {}
        self._number = count()

    def __getitem__(self, case: Case) -> tuple[Dataset, duckdb.DuckDBPyConnection]:
        key = json.dumps([case.inputs, case.calculated_attributes, case.tiers, case.profile_retention_days])
        if key not in self._made:
            dataset = dataset_of(case, self._folder / str(next(self._number)))
            self._made[key] = dataset, connected(dataset)
        return self._made[key]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    return Shelf(tmp_path_factory.mktemp("cases"))


def audiences_of(case: Case) -> dict[str, Audience]:
    return {key: Audience.from_dict(document) for key, document in case.audiences.items()}


def audience(root: dict[str, Any], name: str = "x") -> Audience:
    return Audience.from_dict({"name": name, "workspaces": ["app"], "definition": {"version": 1, "root": root}})


def rows(connection: duckdb.DuckDBPyConnection, query: str, **parameters: int) -> list[int]:
    return [row[0] for row in connection.execute(query, parameters or None).fetchall()]


@pytest.mark.parametrize("case", MEMBERS, ids=[case.id for case in MEMBERS])
def test_duckdb_selects_the_members(case: Case, shelf: Shelf) -> None:
    dataset, connection = shelf[case]
    asked = Audience.from_dict(case.audience)
    if case.id in UNSAID:
        with pytest.raises(SqlError) as caught:
            asked.to_sql(now=case.now, dataset=dataset, audiences=audiences_of(case))
        assert caught.value.path == UNSAID[case.id]
        return
    query = asked.to_sql(now=case.now, dataset=dataset, audiences=audiences_of(case))
    assert rows(connection, query) == case.expect, query


def test_how_many_cases_are_said() -> None:
    """Every case with members is said in SQL: 546 of 546 when this was written."""
    assert set(UNSAID) <= {case.id for case in MEMBERS}
    assert len(MEMBERS) - len(UNSAID) >= 546


@pytest.mark.parametrize("case", MEMBERS[::12], ids=[case.id for case in MEMBERS[::12]])
def test_the_moment_is_a_parameter(case: Case, shelf: Shelf) -> None:
    dataset, connection = shelf[case]
    query = Audience.from_dict(case.audience).to_sql(dataset=dataset, audiences=audiences_of(case))
    assert rows(connection, query, now_ms=round(case.now.timestamp() * 1000)) == case.expect, query


@pytest.mark.parametrize("case", MEMBERS[::15], ids=[case.id for case in MEMBERS[::15]])
def test_other_dialects_are_written_and_say_that_they_were_not_run(case: Case, shelf: Shelf) -> None:
    dataset, _ = shelf[case]
    for dialect in set(DIALECTS) - {"duckdb"}:
        query = Audience.from_dict(case.audience).to_sql(dialect, dataset=dataset, audiences=audiences_of(case))
        assert "not run there" in query
        assert sqlglot.parse_one(query, dialect=dialect).find(sqlglot.exp.Select)


@pytest.mark.parametrize(
    ("seed", "shape"), list(zip(range(900, 909), ["plain", "compacted", "sharded"] * 3, strict=True))
)
def test_random_situations(seed: int, shape: str) -> None:
    found = situation(Dice(seed))
    named = named_audiences(found)
    with scratch() as folder:
        dataset = dataset_of_situation(found, folder / "data", shape)
        connection = connected(dataset)
        for document in found.audiences:
            asked = Audience.from_dict(document)
            members = dataset.evaluate(asked, now=moment(found.now), audiences=named).members["mpid"].to_list()
            try:
                query = asked.to_sql(now=moment(found.now), dataset=dataset, audiences=named)
            except SqlError:
                continue
            assert rows(connection, query) == members, query


REGEX = {"type": "user_attribute", "attribute": "v", "operator": "matches_regex", "value": r"\bgold\b"}
SUM = {
    "type": "event",
    "kind": "ecommerce",
    "aggregate": {"function": "sum", "of": {"field": "total_amount"}, "operator": "greater_than", "value": 1e20},
}
CALCULATED = {"type": "calculated_attribute", "name": "spent", "operator": "greater_than", "value": 1}
MEMBERSHIP = {"type": "audience_membership", "audience": "other", "operator": "in"}


def test_everything_that_cannot_be_said_is_told_at_once() -> None:
    root = {"type": "and", "criteria": [REGEX, {"type": "not", "criterion": SUM}, CALCULATED, MEMBERSHIP]}
    with pytest.raises(SqlError) as caught:
        audience(root).to_sql()
    paths = ["root.criteria[0]", "root.criteria[1].criterion", "root.criteria[2]", "root.criteria[3]"]
    assert [problem.path for problem in caught.value.problems] == paths
    assert all(problem.message for problem in caught.value.problems)


@pytest.mark.parametrize(
    "pattern",
    [r"\bx", r"x\B", "[a&&b]", "[a[b]]", r"[\D]", "x{1001}", r"\p{Greek}", "(?x) a", r"\<a", "(?U)a+"],
)
def test_regular_expressions_that_re2_reads_otherwise_are_refused(pattern: str) -> None:
    try:
        asked = audience({**REGEX, "value": pattern})
    except DefinitionError:
        return  # the engine refuses it too
    with pytest.raises(SqlError):
        asked.to_sql()


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(CoreError, match="no dialect"):
        audience(REGEX).to_sql("cobol")


def test_a_definition_that_does_not_fit_the_dataset_is_refused(shelf: Shelf) -> None:
    dataset, _ = shelf[MEMBERS[0]]
    with pytest.raises(DefinitionError):
        audience(CALCULATED).to_sql(dataset=dataset)


def test_a_name_cannot_leave_its_comment(shelf: Shelf) -> None:
    dataset, connection = shelf[MEMBERS[0]]
    everybody = {"type": "and", "criteria": []}
    query = audience(everybody, "x\n; DROP VIEW events; --\u2028*/").to_sql(now=MEMBERS[0].now)
    assert all(line.startswith("--") for line in query.splitlines()[:3])
    expected = dataset.evaluate(audience(everybody), now=MEMBERS[0].now).members["mpid"].to_list()
    assert rows(connection, query) == expected


def test_views_of_an_empty_dataset(tmp_path: Path) -> None:
    dataset = Dataset.create(tmp_path / "data")
    dataset.add_input("app", "ios")
    connection = connected(dataset)
    query = audience({"type": "event", "kind": "ecommerce", "where_product": [{"field": "name", "operator": "exists"}]})
    assert rows(connection, query.to_sql(now=JANUARY, dataset=dataset)) == []


def documented() -> dict[str, list[str]]:
    """Views and the columns that docs/sql.md names for them."""
    lines = re.findall(r"^\| `(\w+)` \| [^|]*\| (.*) \|$", DOC.read_text("utf-8"), re.MULTILINE)
    return {view: re.findall(r"`(\w+)`", columns) for view, columns in lines}


def test_every_view_and_macro_is_documented(tmp_path: Path) -> None:
    connection = connected(Dataset.create(tmp_path / "data"))
    views = {row[0] for row in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    assert set(documented()) == views
    for view, columns in documented().items():
        known = {row[0] for row in connection.execute(f"DESCRIBE {view}").fetchall()}
        assert set(columns) <= known
        if view not in ("events", "products"):  # theirs end with the standard fields
            assert set(columns) == known
    macros = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type = 'macro' AND NOT internal"
    for (macro,) in connection.execute(macros).fetchall():
        assert f"`{macro}" in DOC.read_text("utf-8")


def test_the_examples_of_the_page_run(tmp_path: Path) -> None:
    connection = connected(Dataset.create(tmp_path / "data"))
    examples = re.findall(r"^```sql\n(.*?)^```", DOC.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        connection.execute(example)


MACROS = [
    ("text_of('n100')", "100"),
    ("text_of('z')", None),
    ("text_of(NULL)", None),
    ("lower_of('ΑΣ ΒΣ')", "ας βς"),
    ("lower_of('İ')", "i̇"),
    ("number_of('s34.32')", 34.32),
    ("number_of('sNaN')", None),
    ("number_of('s0x1F')", None),
    ("number_of('btrue')", None),
    ("number_order('s9007199254740993', '9007199254740992')", 1),
    ("number_order('s-9007199254740993', '-9007199254740992')", -1),
    ("number_order('s34.320', '34.32')", 0),
    ("number_order('s1e2', '100')", 0),
    ("number_order('sx', '100')", None),
    ("boolean_of('sTRUE')", True),
    ("boolean_of('n1')", None),
    ("version_of('s2.10') > version_of('s2.9')", True),
    ("version_of('s2.0') = version_of('s2')", True),
    ("version_of('s2.x')", None),
    ("date_of('s1970-01-02')", 86_400_000),
    ("date_of('s1970-01-01T01:00:00.5+01:00')", 500),
    ("date_of('s1970-01-01T25:00')", None),
    ("date_of('s2026-02-30')", None),
    ("date_of('n19700102')", None),
    ('elements_of(\'l["a","b"]\')', ["a", "b"]),
    ("values_of('sx')", ["sx"]),
    ("calendar_ms(1769774400000, 'month', -1)", 1_764_547_200_000),  # 30 January 2026 -> 1 December 2025
]


@pytest.mark.parametrize(("said", "expected"), MACROS, ids=[said for said, _ in MACROS])
def test_macros(said: str, expected: object, shelf: Shelf) -> None:
    found = shelf[MEMBERS[0]][1].execute(f"SELECT {said}").fetchone()
    assert found is not None and found[0] == expected
