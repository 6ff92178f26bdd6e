"""What commands print: tables, numbers and moments for people, one JSON object for programs."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from core import CoreError
from core.errors import DatasetError, DefinitionError, InterchangeError, SqlError


def say(text: str = "") -> None:
    """A line for people on standard output."""
    print(printable(text))


def note(text: str) -> None:
    """A line on standard error."""
    print(printable(text), file=sys.stderr)


def say_code(text: str) -> None:
    """Source text, as it is."""
    print(text.rstrip("\n"))


def say_json(document: Any) -> None:
    """The one JSON document of a command."""
    print(json.dumps(document, ensure_ascii=False, indent=2))


def printable(text: str) -> str:
    """The text without what would steer a terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "�" for letter in text)


def say_table(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their headers (name, "<" or ">"), columns as wide as they need; a terminal cuts them at its edge."""
    lines = [[name for name, _ in columns], *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    edge = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines:
        cells = (f"{cell:{columns[at][1]}{widths[at]}}" for at, cell in enumerate(line))
        text = ("  " + "  ".join(cells)).rstrip()
        say(text if edge is None or len(text) <= edge else text[: edge - 1] + "…")


def share(part: int, whole: int) -> str:
    """A part of a whole in per cent; an en dash of nothing."""
    return f"{part / whole:.1%}".replace("%", " %") if whole else "–"


def moment(at: datetime) -> str:
    """A UTC moment as people read it: 30 Jun 2026 12:00 UTC."""
    seconds = "%H:%M:%S" if at.second or at.microsecond else "%H:%M"
    return at.strftime(f"%d %b %Y {seconds} UTC")


def iso(at: datetime) -> str:
    """A UTC moment as programs read it: 2026-06-30T12:00:00Z."""
    return at.isoformat(timespec="milliseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


def error_lines(error: CoreError) -> list[str]:
    """An error as it is told: `PATH: MESSAGE`, one line a problem."""
    if isinstance(error, DefinitionError | InterchangeError | SqlError):
        return [str(problem).replace("\n", " ") for problem in error.problems]
    lines = str(error).splitlines() or [type(error).__name__]
    return [f"dataset: {' '.join(lines)}"] if isinstance(error, DatasetError) else lines


class ProgressLine:
    """How far a command is, on one line of a terminal; silent elsewhere."""

    def __init__(self, what: str) -> None:
        self._what, self._shown = what, False
        self._active = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def __call__(self, done: int, total: int | None) -> None:
        """`done` of `total`, in whatever unit; an unknown total is None."""
        if self._active:
            text = f"{min(done * 100 // total, 100)} %" if total else f"{done:,}"
            print(f"\r{self._what} {text}\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = True

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = False
