"""The download of an audience: `download`."""

from __future__ import annotations

import argparse
import uuid
from datetime import UTC, datetime
from pathlib import Path

from core import CoreError
from core.archive import ArchiveManifest, Download, chosen_identity_types, write_archive
from workbench.commands import options, output
from workbench.commands.parser import Parser
from workbench.documents import read_audience


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    download = commands.add_parser("download")
    options.add_audience(download)
    options.add_dataset(download)
    options.add_now(download)
    download.add_argument(
        "--identity-types", required=True, type=_names, metavar="TYPE,TYPE", help="such as email,customer_id"
    )
    download.add_argument("--sample", type=options.positive, metavar="N", help="N members only, the same each time")
    download.add_argument("--out", required=True, type=Path, metavar="FILE.zip", help="the archive to write")
    download.add_argument(
        "--neutralise-formulas",
        action="store_true",
        help="put an apostrophe before values that a spreadsheet would run as a formula",
    )
    download.set_defaults(run=run_download)


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} names no type before or after a comma")
    return names


def run_download(given: argparse.Namespace) -> int:
    """Write the archive and tell what it holds."""
    audience = read_audience(given.audience)
    dataset = options.open_dataset(given.dataset)
    moment = options.as_of(dataset, given.now)
    others = options.other_audiences(given.audiences, audience)
    with output.ProgressLine("evaluating") as told:
        result = dataset.evaluate(audience, now=moment.now, audiences=others, progress=told)
    try:
        chosen_identity_types(dataset.identity_types(), given.identity_types)
    except CoreError as error:
        raise options.Misuse(f"--identity-types: {error.message}", error.hint) from None
    with output.ProgressLine(f"writing {given.out.name}") as told:
        manifest = write_archive(
            given.out,
            [Download(given.audience.stem, result)],
            identity_types=given.identity_types,
            archive_id=str(uuid.uuid4()),
            generated=datetime.now(UTC),
            sample=given.sample,
            neutralise_formulas=given.neutralise_formulas,
            progress=told,
        )
    members = result.size if given.sample is None else min(given.sample, result.size)
    output.say(f"{audience.name}, {moment.text}")
    _say_written(given.out, manifest, members, result.size)
    if given.neutralise_formulas:
        output.say("Values that a spreadsheet would run begin with an apostrophe.")
    return 0


def _say_written(path: Path, manifest: ArchiveManifest, members: int, size: int) -> None:
    file = manifest.files[0]
    sampled = f"a sample of {members:,} among {size:,} members" if members < size else f"{size:,} members"
    output.say(f"{path}: {sampled}, {file.total_users:,} users with {file.total_rows:,} rows")
    rows = [(name, f"{count:,}") for name, count in manifest.rows_by_identity.items()]
    output.say_table([("identity", "<"), ("rows", ">")], rows)
