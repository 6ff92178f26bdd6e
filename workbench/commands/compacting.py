"""Fewer files under a dataset: `compact`."""

from __future__ import annotations

import argparse

from core import Dataset
from workbench import home
from workbench.commands import options, output
from workbench.commands.parser import Parser


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser("compact")
    options.add_dataset(parser)
    parser.add_argument("--all", action="store_true", help="into one, however few there are")
    options.add_json(parser)
    parser.set_defaults(run=run_compact)


def run_compact(given: argparse.Namespace) -> int:
    """Compact, then tell whether anything was done."""
    dataset = Dataset.open(given.dataset if given.dataset is not None else home.dataset_path())
    done = dataset.compact(full=given.all)
    if given.json:
        output.say_json({"compacted": done, "version": dataset.version})
    else:
        output.say("Compacted." if done else "Nothing to do.")
    return 0
