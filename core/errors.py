"""The error tree of the core. Every error says what is wrong (`message`) and the way out (`hint`).

CoreError
├── DefinitionError      a definition cannot be evaluated; `.problems` holds every reason with its path
├── DatasetError         a dataset cannot be created, opened or read
│   ├── DatasetBusy      another process is writing and did not finish in time
│   └── DatasetTooNew    written by a newer version of the program
├── InputError           a source (file, folder, mapping) cannot be read at all
├── FormulaError         a logic line cannot be read; `.column` is the place of the mistake
├── LinkError            a link is damaged, foreign or too long
├── InterchangeError     something cannot be said in the other language; `.problems` lists it
├── SqlError             something cannot be said in SQL; `.problems` lists it
└── RegistryError        the registry cannot be opened, or refuses a change
    ├── NotFound         there is nothing of that id, or nothing that this person may see
    ├── NotAllowed       the role or the access of the person does not cover this
    ├── EditConflict     somebody else has changed it since; `.by`, `.at` and `.version` say who, when, to what
    ├── NestingError     audiences are in the way of each other; `.audiences` names them
    ├── InUse            something of the data is used by audiences or calculated attributes, which are named
    └── LeaseLost        a job is no longer this worker's: cancelled, expired or deleted meanwhile
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


class CoreError(Exception):
    """What went wrong in `message`, the way out in `hint` (may be empty)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a definition is refused; `path` is the nearest node, step or predicate, "" for the audience."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path or 'audience'}: {self.message}" + (f" {self.hint}" if self.hint else "")


class _ProblemsError(CoreError):
    """An error made of several problems; `.path` and `.message` are the first one's."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        if not problems:
            raise ValueError("an error without a problem")
        super().__init__(problems[0].message, problems[0].hint)
        self.problems: tuple[Problem, ...] = tuple(problems)
        self.path = problems[0].path

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class DefinitionError(_ProblemsError):
    """The definition is invalid, alone or for this dataset; every problem is listed."""


class DatasetError(CoreError):
    """The dataset cannot be created, opened, read or written."""


class DatasetBusy(DatasetError):
    """Another writer holds the dataset's lock."""


class DatasetTooNew(DatasetError):
    """The dataset was written by a newer version of the program."""


class InputError(CoreError):
    """A source cannot be read at all: no such file, truncated, not the format it says."""


class FormulaError(CoreError):
    """A logic line cannot be read; `column` is where, counted from 1 (one past the end where something is missing)."""

    def __init__(self, message: str, column: int, hint: str = "") -> None:
        super().__init__(message, hint)
        self.column = column

    def __str__(self) -> str:
        return f"column {self.column}: {super().__str__()}"


class LinkError(CoreError):
    """A link does not hold an audience: damaged, of another program or version, or too long."""


class InterchangeError(_ProblemsError):
    """The definition holds something that the other language cannot say."""


class SqlError(_ProblemsError):
    """The definition holds something that SQL cannot say."""


class RegistryError(CoreError):
    """The registry cannot be opened, or refuses a change."""


class NotFound(RegistryError):
    """There is nothing of that id, or nothing that this person may see."""


class NotAllowed(RegistryError):
    """The role or the access of the person does not cover this."""


class EditConflict(RegistryError):
    """Somebody else has saved since the version that an edit began with; nothing of either edit is lost."""

    def __init__(self, name: str, *, by: str, at: datetime, version: int) -> None:
        super().__init__(
            f"{by} has saved version {version} of {name!r} on {at:%d %b %Y at %H:%M} UTC, after you opened it.",
            "Compare with that version, then save again on top of it, or keep yours as a clone.",
        )
        self.by, self.at, self.version = by, at, version


class NestingError(RegistryError):
    """Audiences are in the way of each other; `audiences` holds their names by id."""

    def __init__(self, message: str, hint: str, audiences: dict[str, str]) -> None:
        super().__init__(message, hint)
        self.audiences = audiences


class InUse(RegistryError):
    """What should be taken away is used; the message names by what."""


class LeaseLost(RegistryError):
    """A job is no longer this worker's: cancelled, expired or deleted meanwhile."""
