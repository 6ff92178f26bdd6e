"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core import Audience, CoreError, Dataset
from workbench import home
from workbench.commands import output
from workbench.documents import read_audiences


class Misuse(CoreError):
    """The command was called in a way that cannot be meant; the message begins with the option."""


def moment_of(text: str) -> datetime:
    """An ISO date or time in UTC; UTC where it names no zone."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO moment such as 2026-06-30T12:00:00Z") from None


def positive(text: str) -> int:
    """A whole number above 0."""
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 19 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def add_dataset(parser: argparse.ArgumentParser) -> None:
    """--dataset"""
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="the dataset (default: the one in WORKBENCH_HOME)")


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json"""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def add_audience(parser: argparse.ArgumentParser) -> None:
    """AUDIENCE.json and --audiences"""
    parser.add_argument("audience", type=Path, metavar="AUDIENCE.json", help="the audience document")
    parser.add_argument(
        "--audiences",
        type=Path,
        metavar="FILE.json",
        help="{id: audience document} for memberships (default: the registry of WORKBENCH_HOME)",
    )


def add_now(parser: argparse.ArgumentParser) -> None:
    """--now"""
    parser.add_argument(
        "--now",
        type=moment_of,
        metavar="ISO",
        help="the moment to answer for (default: the clock, or the end of data that ended more than 24 hours ago)",
    )


def open_dataset(given: Path | None) -> Dataset:
    """The dataset of --dataset, or of WORKBENCH_HOME."""
    return home.open_dataset(given)


def other_audiences(given: Path | None, audience: Audience) -> Mapping[str, Audience]:
    """The audiences that answer for memberships."""
    if given is not None:
        return read_audiences(given)
    if not audience.named_audiences:
        return {}
    registry = home.registry()
    return registry.audiences.named_by(audience, registry.people.local())


@dataclass(frozen=True)
class AsOf:
    """The moment of an answer. `why`: where it comes from, "" where the user said it."""

    now: datetime
    why: str

    @property
    def text(self) -> str:
        """as of 30 Jun 2026 12:00 UTC, end of data"""
        return f"as of {output.moment(self.now)}" + (f", {self.why}" if self.why else "")


def as_of(dataset: Dataset, given: datetime | None) -> AsOf:
    """The moment that was given, else the clock or the data's end (DEFINITION 2)."""
    if given is not None:
        return AsOf(given, "")
    clock = datetime.now(UTC)
    now = dataset.as_of(clock)
    return AsOf(now, "the clock" if now == clock else "end of data")
