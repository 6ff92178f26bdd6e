"""Data in: `import`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core import InputError, LoadReport
from core.data.guess import guess_mapping
from core.data.mapping import Mapping
from workbench import home
from workbench.commands import options, output
from workbench.commands.parser import Parser
from workbench.documents import read_json
from workbench.loads import FORMATS, load_into, opened, sources

_TOLD_REFUSALS: Final = 20


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser("import")
    parser.add_argument(
        "files", nargs="+", metavar="FILES", help="files, folders or patterns such as 'data/*.jsonl.gz'"
    )
    options.add_dataset(parser)
    parser.add_argument("--workspace", required=True, metavar="W")
    parser.add_argument("--input", required=True, metavar="I")
    parser.add_argument("--kind", choices=("platform", "feed"), help="of a new input (default: platform)")
    parser.add_argument("--format", choices=FORMATS, help="default: guessed from the names; segment must be said")
    parser.add_argument(
        "--mapping", type=Path, metavar="FILE", help="the mapping of a table (default: guessed, and told)"
    )
    parser.add_argument("--environment", choices=("production", "development", "all"), help="of mParticle batches")
    parser.add_argument("--received-at", type=options.moment_of, metavar="ISO", help="the arrival (default: the clock)")
    parser.add_argument("--processes", type=options.positive, default=1, metavar="N", help="for mParticle files")
    parser.add_argument(
        "--shards",
        type=options.positive,
        metavar="N",
        help="split a new dataset by user, above 100 million events: one for every 50 million",
    )
    options.add_json(parser)
    parser.set_defaults(run=run_import)


def run_import(given: argparse.Namespace) -> int:
    """Load, then tell the report; 2 where everything was refused."""
    path = given.dataset if given.dataset is not None else home.dataset_path()
    form, files = sources(given.files, given.format)
    _check_use(given, form)
    mapping = _mapping(given.mapping, files) if form in ("csv", "parquet", "arrow") else None
    with opened(path, given.shards) as dataset:
        with output.ProgressLine("importing") as progress:
            report = load_into(
                dataset,
                format=form,
                files=files,
                mapping=mapping,
                workspace=given.workspace,
                input=given.input,
                kind=given.kind,
                environment=given.environment or "production",
                received_at=given.received_at or datetime.now(UTC),
                progress=progress,
                processes=given.processes,
            )
        if _nothing(report):
            _tell(report, given, path)
            raise InputError(f"import: nothing could be loaded, {len(report.refusals):,} refused.", "Check --format.")
    _tell(report, given, path)  # after the block: what is loaded stays, also if nobody reads this
    return 0


def _nothing(report: LoadReport) -> bool:
    """Whether everything was refused."""
    known = (report.batches, report.events, report.profiles, report.duplicates, report.skipped)
    return bool(report.refusals) and not any(known)


def _tell(report: LoadReport, given: argparse.Namespace, path: Path) -> None:
    if given.json:
        output.say_json(asdict(report))
    else:
        _say_report(report, path, f"{given.workspace}/{given.input}")


def _check_use(given: argparse.Namespace, form: str) -> None:
    if given.mapping is not None and form in ("mparticle", "segment"):
        raise options.Misuse(f"--mapping: {form} files are no tables.", "Leave it out, or say another --format.")
    if given.environment is not None and form != "mparticle":
        raise options.Misuse(f"--environment: {form} files have none.", "Leave it out.")


def _mapping(said: Path | None, files: list[Path]) -> Mapping:
    if said is not None:
        return Mapping.from_dict(read_json(said))
    guessed = guess_mapping(files[0])
    output.note(f"mapping guessed (keep it in a file and change it with --mapping): {json.dumps(guessed.to_dict())}")
    return guessed


def _say_report(report: LoadReport, path: Path, where: str) -> None:
    output.say(f"Loaded into {where} of {path}")
    counts = {
        "batches": report.batches,
        "events": report.events,
        "profiles": report.profiles,
        "duplicates": report.duplicates,
        "skipped": report.skipped,
        "cut": report.cut,
        "refused": len(report.refusals),
    }
    output.say_table([("what", "<"), ("how many", ">")], [(name, f"{count:,}") for name, count in counts.items()])
    for each in report.refusals[:_TOLD_REFUSALS]:
        place = each.source if each.line is None else f"{each.source}:{each.line}"
        output.note(f"{place}: {each.reason}")
    if len(report.refusals) > _TOLD_REFUSALS:
        output.note(f"... and {len(report.refusals) - _TOLD_REFUSALS:,} more refused; --json lists all")
