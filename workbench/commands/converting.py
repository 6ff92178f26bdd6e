"""An audience in another form: `convert`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from core import Audience, InterchangeError, Problem
from core.interchange import from_mparticle, to_mparticle
from workbench import home
from workbench.commands import options, output
from workbench.documents import read_document

FORMS: Final = ("native", "mparticle")
SAID: Final = 0
NOT_SAID: Final = 3
PLACEHOLDER: Final = "workspace"
"""Stands for the workspaces that nothing names."""


def add(commands: argparse._SubParsersAction[options.Parser]) -> None:
    """Add the command."""
    convert = commands.add_parser(
        "convert", help="write an audience as its whole document, in mParticle's audience schema, or as Python"
    )
    convert.add_argument("audience", type=Path, metavar="AUDIENCE.json", help="the audience document")
    convert.add_argument("--from", dest="source", choices=FORMS, help="what it is (default: seen by its keys)")
    convert.add_argument("--to", required=True, choices=(*FORMS, "python"))
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
    try:
        audience = _read(given)
    except InterchangeError as error:
        _tell(error.problems)
        return NOT_SAID
    if given.to == "python":
        print(audience.to_python())
        return SAID
    if given.to == "native":
        output.say_json(audience.to_dict())
        return SAID
    written = to_mparticle(audience)
    output.say_json(written.document)
    _tell(written.notes, "note: ")
    _tell(written.unsaid)
    return NOT_SAID if written.unsaid else SAID


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
