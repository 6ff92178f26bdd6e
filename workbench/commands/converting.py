"""An audience in another language: `convert`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from core import Audience, InterchangeError
from workbench.commands import options, output
from workbench.documents import read_audience, read_json

DIALECTS: Final = ("duckdb", "spark", "bigquery", "snowflake")


def add(commands: argparse._SubParsersAction[options.Parser]) -> None:
    """Add the command."""
    convert = commands.add_parser("convert", help="write an audience as mParticle's schema, ours, SQL or Python")
    convert.add_argument("audience", type=Path, metavar="AUDIENCE.json", help="the audience document")
    convert.add_argument(
        "--from", dest="source", choices=("native", "mparticle"), default="native", help="default: native"
    )
    convert.add_argument("--to", required=True, choices=("mparticle", "native", "sql", "python"))
    convert.add_argument("--dialect", choices=DIALECTS, help="of the SQL (default: duckdb)")
    convert.set_defaults(run=run_convert)


def run_convert(given: argparse.Namespace) -> int:
    """Print the audience; 3 and a line each for what cannot be said."""
    if given.dialect is not None and given.to != "sql":
        raise options.Misuse("--dialect: only SQL has dialects.", "Leave it out, or say --to sql.")
    try:
        audience = _read(given.audience, given.source)
        _write(audience, given.to, given.dialect or "duckdb")
    except InterchangeError as error:
        for line in output.error_lines(error):
            output.note(line)
        return 3
    return 0


def _read(path: Path, language: str) -> Audience:
    if language == "native":
        return read_audience(path)
    from core.interchange import from_mparticle

    return from_mparticle(read_json(path), name=path.stem)


def _write(audience: Audience, language: str, dialect: str) -> None:
    if language == "native":
        output.say_json(audience.to_dict())
    elif language == "python":
        print(audience.to_python())
    elif language == "sql":
        print(audience.to_sql(dialect))
    else:
        from core.interchange import to_mparticle

        output.say_json(to_mparticle(audience))
