"""An audience in another form: `convert`."""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench.commands import options, output
from workbench.documents import read_audience


def add(commands: argparse._SubParsersAction[options.Parser]) -> None:
    """Add the command."""
    convert = commands.add_parser("convert", help="write an audience as its whole document or as Python")
    convert.add_argument("audience", type=Path, metavar="AUDIENCE.json", help="the audience document")
    convert.add_argument("--to", required=True, choices=("native", "python"))
    convert.set_defaults(run=run_convert)


def run_convert(given: argparse.Namespace) -> int:
    """Print the audience."""
    audience = read_audience(given.audience)
    if given.to == "python":
        print(audience.to_python())
    else:
        output.say_json(audience.to_dict())
    return 0
