"""Commands as a user runs them: arguments in; exit code, standard output and standard error out."""

from __future__ import annotations

import io
import json
import os
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from workbench.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on standard output."""
        return json.loads(self.out)

    @property
    def told(self) -> list[str]:
        """The lines on standard error."""
        return self.err.splitlines()


def workbench(folder: Path, *arguments: object, **variables: str) -> Done:
    """Run a command in a folder, whose `home` is WORKBENCH_HOME. What is no error of ours is raised."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"WORKBENCH_HOME": str(folder / "home"), **variables}
    with chdir(folder), mock.patch.dict(os.environ, environment), redirect_stdout(out), redirect_stderr(err):
        code = main([str(each) for each in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def files(folder: Path) -> list[str]:
    """Every file and folder below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def save(path: Path, document: Any) -> Path:
    """A JSON file."""
    path.write_text(json.dumps(document))
    return path


def audience(root: dict[str, Any], **scope: Any) -> dict[str, Any]:
    """An audience document."""
    return {"name": "A", "workspaces": ["app"], **scope, "definition": {"version": 1, "root": root}}
