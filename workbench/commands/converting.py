"""An audience in another form: `convert`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from core import Audience, Dataset, InterchangeError, Problem
from core.dialects import DIALECTS
from core.errors import SqlError
from core.interchange import from_mparticle, to_mparticle
from workbench import home
from workbench.commands import options, output
from workbench.commands.parser import Parser
from workbench.documents import read_document

FORMS: Final = ("native", "mparticle")
SAID: Final = 0
NOT_SAID: Final = 3
PLACEHOLDER: Final = "workspace"
"""Stands for the workspaces that nothing names."""


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    convert = commands.add_parser("convert")
    options.add_audience(convert)
    convert.add_argument("--from", dest="source", choices=FORMS, help="what it is (default: seen by its keys)")
    convert.add_argument("--to", required=True, choices=(*FORMS, "sql", "python"))
    convert.add_argument("--dialect", choices=DIALECTS, help="of SQL (default: duckdb, the one that is run in tests)")
    options.add_dataset(convert)
    convert.add_argument(
        "--now", type=options.moment_of, metavar="ISO", help="the moment of SQL (default: its parameter now_ms)"
    )
    convert.add_argument(
        "--views", action="store_true", help="put the dataset's views before DuckDB's SQL, so that it runs as it stands"
    )
    convert.add_argument("--name", metavar="NAME", help="mParticle's schema has none (default: the file's name)")
    convert.add_argument(
        "--workspace",
        action="append",
        metavar="W",
        help="where a document of mParticle's names none (default: those of the dataset in WORKBENCH_HOME)",
    )
    convert.set_defaults(run=run_convert)


def run_convert(given: argparse.Namespace) -> int:
    """Print the audience; 3 where something of it cannot be said."""
    _check_use(given)
    try:
        audience = _read(given)
        match given.to:
            case "mparticle":
                return _say_mparticle(audience)
            case "sql":
                output.say_code(_sql(given, audience))
            case "python":
                output.say_code(audience.to_python())
            case _:
                output.say_json(audience.to_dict())
    except (InterchangeError, SqlError) as error:
        _tell(error.problems)
        return NOT_SAID
    return SAID


def _check_use(given: argparse.Namespace) -> None:
    for option in ("--dialect", "--now", "--dataset", "--views"):
        said = getattr(given, option.removeprefix("--"))
        if said and given.to != "sql":
            raise options.Misuse(f"{option}: it says how SQL is written.", "Say --to sql, or leave it out.")
    if given.views and given.dialect not in (None, "duckdb"):
        raise options.Misuse("--views: they are DuckDB's.", "Leave out --dialect.")


def _say_mparticle(audience: Audience) -> int:
    written = to_mparticle(audience)
    output.say_json(written.document)
    _tell(written.notes, "note: ")
    _tell(written.unsaid)
    return NOT_SAID if written.unsaid else SAID


def _sql(given: argparse.Namespace, audience: Audience) -> str:
    """The query, after the views that it reads if they are asked for."""
    others = options.other_audiences(given.audiences, audience)
    dataset = _dataset(given, audience, others)
    query = audience.to_sql(given.dialect or "duckdb", now=given.now, dataset=dataset, audiences=others)
    if not given.views:
        return query
    return f"{(dataset or options.open_dataset(given.dataset)).sql_views()}\n{query}"


def _dataset(given: argparse.Namespace, audience: Audience, others: Mapping[str, Audience]) -> Dataset | None:
    """The dataset that was named, else the one in WORKBENCH_HOME if the audience fits it."""
    if given.dataset is None and not home.dataset_path().exists():
        return None
    dataset = options.open_dataset(given.dataset)
    fits = given.dataset is not None or not audience.check(dataset, others).problems
    return dataset if fits else None


def _read(given: argparse.Namespace) -> Audience:
    """The audience of the file. InterchangeError: ours cannot say something of it."""
    document = read_document(given.audience)
    if (given.source or _form(document)) == "native":
        for option, said in (("--name", given.name), ("--workspace", given.workspace)):
            if said is not None:
                raise options.Misuse(f"{option}: a native document has its own.", "Change it there.")
        return Audience.from_dict(document)
    known = given.workspace or _known_workspaces()
    read = from_mparticle(document, name=given.name or given.audience.stem[:100], workspaces=known or [PLACEHOLDER])
    _tell(read.notes, "note: ")
    if not known and read.audience.workspaces == (PLACEHOLDER,):
        message = f"The document names no workspace; {PLACEHOLDER!r} stands for it."
        _tell([Problem("", message, "Name it with --workspace, or change it in the result.")], "note: ")
    return read.audience


def _form(document: Any) -> str:
    return "mparticle" if isinstance(document, dict) and "schema_version" in document else "native"


def _known_workspaces() -> list[str]:
    return list(options.open_dataset(None).workspaces) if home.dataset_path().exists() else []


def _tell(problems: Any, kind: str = "") -> None:
    for each in problems:
        output.note(str(Problem(each.path, kind + each.message, each.hint)).replace("\n", " "))
