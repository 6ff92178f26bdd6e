"""An audience as SQL: one query over the views of a dataset, in DuckDB's dialect or written for another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from core.criteria import Criterion, walk
from core.errors import DefinitionError, Problem, SqlError
from core.sql import NOW, Sql, SqlScope, refuse

if TYPE_CHECKING:
    from core.audience import Audience
    from core.dataset import Dataset

DIALECTS: Final = ("duckdb", "spark", "bigquery", "snowflake")


def to_sql(
    audience: Audience, dialect: str, now_ms: int | None, dataset: Dataset | None, audiences: Mapping[str, Audience]
) -> str:
    """The query that selects the members (one column mpid, ascending). SqlError with everything it cannot say."""
    if dialect not in DIALECTS:
        raise SqlError([Problem("", f"{dialect!r} is no dialect.", f"Use one of {', '.join(DIALECTS)}.")])
    if dataset is not None and (problems := audience.check(dataset, audiences).problems):
        raise DefinitionError(problems)
    try:
        text = _written(_query(audience, now_ms, dataset, audiences).order_by("mpid"), dialect)
    except RecursionError:  # the writer and the reader call themselves at every level
        message = "Its groups are nested too deep for SQL to be written."
        raise SqlError([Problem("root", message, "Join criteria in one group instead of nesting groups.")]) from None
    return "\n".join([*_header(audience, dialect, now_ms), f"{text};", ""])


def _query(audience: Audience, now_ms: int | None, dataset: Dataset | None, audiences: Mapping[str, Audience]) -> Sql:
    def calculated(workspace: str, name: str) -> Any:
        if dataset is None:
            raise refuse(f"The calculated attribute {name!r} is defined in the dataset.", "Name the dataset too.")
        return dataset.workspaces[workspace].calculated_attributes[name]

    def members_of(audience_id: str) -> Sql:
        if audience_id not in audiences:
            raise refuse(f"There is no audience {audience_id!r}.", "Give the audiences that it names too.")
        return _query(audiences[audience_id], now_ms, dataset, audiences)

    scope = SqlScope(audience.workspaces, audience.inputs, audience.lookback_days, now_ms, calculated, members_of)
    _refused(audience.root, scope)
    universe = scope.universe().subquery("u")
    return scope.select(universe, audience.root.sql(scope)).select(scope.column("mpid", "u"))


def _refused(root: Criterion, scope: SqlScope) -> None:
    """SqlError with the path and reason of every criterion that SQL cannot say."""
    problems = []
    for path, node in walk(root):
        if not node.children():
            try:
                node.sql(scope)
            except SqlError as error:
                problems += [Problem(path, each.message, each.hint) for each in error.problems]
    if problems:
        raise SqlError(problems)


def _written(query: Sql, dialect: str) -> str:
    """The query's text, read back by the library that wrote it."""
    import sqlglot

    options: dict[str, Any] = {"pretty": True, "normalize_functions": False}
    try:
        text = query.sql(dialect=dialect, unsupported_level=sqlglot.ErrorLevel.RAISE, **options)
        sqlglot.parse_one(text, dialect=dialect)
    except (sqlglot.errors.UnsupportedError, sqlglot.errors.ParseError) as error:
        raise SqlError([Problem("root", f"It cannot be written for {dialect}: {error}.", "Use DuckDB.")]) from error
    return str(text)


def _header(audience: Audience, dialect: str, now_ms: int | None) -> list[str]:
    """What a reader must know, as comments of one line each."""
    said = [f"Audience {json.dumps(audience.name, ensure_ascii=False)}: {audience.sentence}"]
    said.append("It reads the views and macros of the dataset (`Dataset.sql_views()`, docs/sql.md).")
    if dialect != "duckdb":
        said.append(f"Written for {dialect} and read back, but not run there: only DuckDB's SQL is run in the tests.")
    said.append(
        f"The parameter {NOW} is the moment, in UTC milliseconds." if now_ms is None else f"As of {now_ms} ms UTC."
    )
    return ["-- " + " ".join(line.split()) for line in said]
