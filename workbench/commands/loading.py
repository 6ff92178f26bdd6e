"""Data in: `import`."""

from __future__ import annotations

import argparse
import glob
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from core import Dataset, DatasetError, InputError, LoadReport
from core.data.guess import guess_mapping
from core.data.mapping import Mapping
from workbench import home
from workbench.commands import options, output
from workbench.documents import read_json

FORMATS: Final = ("mparticle", "segment", "csv", "parquet", "arrow")
_SUFFIXES: Final = {
    "mparticle": (".json", ".jsonl", ".ndjson"),
    "segment": (".json", ".jsonl", ".ndjson"),
    "csv": (".csv", ".tsv", ".txt"),
    "parquet": (".parquet", ".pq"),
    "arrow": (".arrow", ".feather", ".ipc"),
}
_GUESSED: Final = {suffix: name for name, all_of in _SUFFIXES.items() if name != "segment" for suffix in all_of}
_TOLD_REFUSALS: Final = 20


def add(commands: argparse._SubParsersAction[options.Parser]) -> None:
    """Add the command."""
    parser = commands.add_parser("import", help="load files into an input of a workspace")
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
    options.add_json(parser)
    parser.set_defaults(run=run_import)


def run_import(given: argparse.Namespace) -> int:
    """Load, then tell the report; 2 where everything was refused."""
    path = given.dataset if given.dataset is not None else home.dataset_path()
    form, files = sources(given.files, given.format)
    _check_use(given, form)
    mapping = _mapping(given.mapping, files) if form in ("csv", "parquet", "arrow") else None
    with _opened(path) as dataset:
        report = _load(dataset, form, files, mapping, given)
        nothing = bool(report.refusals) and not any(
            (report.batches, report.events, report.profiles, report.duplicates, report.skipped)
        )
        if given.json:
            output.say_json(asdict(report))
        else:
            _say_report(report, path, f"{given.workspace}/{given.input}")
        if nothing:
            raise InputError(f"import: nothing could be loaded, {len(report.refusals):,} refused.", "Check --format.")
    return 0


def _check_use(given: argparse.Namespace, form: str) -> None:
    if given.mapping is not None and form in ("mparticle", "segment"):
        raise options.Misuse(f"--mapping: {form} files are no tables.", "Leave it out, or say another --format.")
    if given.environment is not None and form != "mparticle":
        raise options.Misuse(f"--environment: {form} files have none.", "Leave it out.")


def sources(texts: list[str], said: str | None) -> tuple[str, list[Path]]:
    """The format and the files of what was named. InputError: nothing there; Misuse: no one format can be guessed."""
    suffixes = _SUFFIXES[said] if said is not None else tuple(_GUESSED)
    files = list({os.path.realpath(path): path for text in texts for path in _found(text, suffixes)}.values())
    if said is not None:
        return said, files
    formats = {_GUESSED.get(_suffix(path)): path for path in files}
    if None in formats:
        raise options.Misuse(f"{formats[None]}: its name tells no format.", f"Say --format {'|'.join(FORMATS)}.")
    if len(formats) > 1:
        raise options.Misuse(
            f"--format: the files are {' and '.join(sorted(filter(None, formats)))}.", "Import one at a time."
        )
    return str(next(iter(formats))), files


def _suffix(path: Path) -> str:
    plain = Path(path.stem) if path.suffix.lower() in (".gz", ".zst") else path
    return plain.suffix.lower()


def _found(text: str, suffixes: tuple[str, ...]) -> list[Path]:
    """A file, the files of those endings below a folder, or what a pattern matches; sorted."""
    path = Path(text)
    try:
        if path.is_file():
            return [path]
        if path.is_dir():
            found = sorted(each for each in path.rglob("*") if each.is_file() and _suffix(each) in suffixes)
        else:
            found = sorted(each for each in map(Path, glob.glob(text, recursive=True)) if each.is_file())
    except (OSError, ValueError) as error:
        raise InputError(f"{text}: cannot be read: {error}.") from None
    if not found:
        what = f"there are no files ending in {', '.join(suffixes)} here" if path.is_dir() else "there is no such file"
        raise InputError(f"{text}: {what}.", "Give a file, a folder or a pattern.")
    return found


def _mapping(said: Path | None, files: list[Path]) -> Mapping:
    if said is not None:
        return Mapping.from_dict(read_json(said))
    guessed = guess_mapping(files[0])
    output.note(f"mapping guessed (keep it in a file and change it with --mapping): {json.dumps(guessed.to_dict())}")
    return guessed


@contextmanager
def _opened(path: Path) -> Iterator[Dataset]:
    """The dataset of a folder, made where there is none; what was made goes again if the block fails."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    try:
        dataset, made = Dataset.create(path), True
    except DatasetError:
        dataset, made = Dataset.open(path), False
    version = dataset.version
    try:
        yield dataset
    except BaseException:
        # Somebody else may have loaded into it meanwhile.
        if made and Dataset.open(path).version == version:
            _remove(path, missing)
        raise


def _remove(path: Path, missing: list[Path]) -> None:
    for each in path.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        else:
            each.unlink()
    for each in missing:
        if not any(each.iterdir()):
            each.rmdir()


def _load(
    dataset: Dataset, form: str, files: list[Path], mapping: Mapping | None, given: argparse.Namespace
) -> LoadReport:
    known = dataset.workspaces.get(given.workspace)
    kind = given.kind or (known.inputs.get(given.input) if known else None) or "platform"
    progress = output.ProgressLine("importing")
    common: dict[str, Any] = {
        "workspace": given.workspace,
        "input": given.input,
        "kind": kind,
        "received_at": given.received_at or datetime.now(UTC),
        "progress": progress,
    }
    try:
        if mapping is not None:
            return dataset.load_table(files, mapping, **common)
        if form == "segment":
            return dataset.load_segment(files, **common)
        environment: Any = given.environment or "production"
        geoip = os.environ.get("WORKBENCH_GEOIP") or None
        return dataset.load_batches(files, environment=environment, geoip=geoip, processes=given.processes, **common)
    finally:
        progress.clear()


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
