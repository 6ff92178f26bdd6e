"""The command line: `workbench COMMAND`. Parses, calls the core, tells errors; nothing else lives here."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from workbench.commands.parser import Parser

COMMANDS: Final = {
    "run": ("serving", "open the app"),
    "serve-jobs": ("serving", "do loads and calculations, as the worker of `run` does"),
    "import": ("loading", "load files into an input of a workspace"),
    "compact": ("compacting", "merge the files of many loads; answers stay the same"),
    "check": ("answers", "tell every problem and warning of an audience"),
    "evaluate": ("answers", "count the members of an audience exactly, list them"),
    "estimate": ("answers", "estimate the size of an audience from a fair sample"),
    "audiences": ("audiences", "the saved audiences of WORKBENCH_HOME"),
    "profile": ("people", "everything known of one person, and what they did last"),
    "why": ("people", "why somebody is in a saved audience or not, with the evidence"),
    "download": ("downloads", "write the identities of an audience's members: a ZIP with CSV and manifest"),
    "convert": (
        "converting",
        "write an audience as its whole document, in mParticle's audience schema, as SQL or Python",
    ),
    "calculated-attribute": ("settings", "add, list and remove calculated attributes"),
    "tier": ("settings", "set and list the tiers of events"),
}
"""The module of every command under `workbench.commands`, and what it does. Only the module of the command that is
called is imported, so that the list of commands is there at once."""


def parser(command: str | None) -> Parser:
    """The parser of a command, in which the others are names; of none of them, where it is None."""
    root = Parser(prog="workbench", description="Audiences: load what people did, say who you mean, count them.")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    chosen = COMMANDS[command][0] if command in COMMANDS else None
    for name, (module, words) in COMMANDS.items():
        if module != chosen:
            commands.add_parser(name, help=words)
    if chosen is not None:
        import_module(f"workbench.commands.{chosen}").add(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 an error, 3 something that cannot be said (`convert`)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started it, as by `>&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), _leave)
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words in (["-h"], ["--help"]):
        parser(None).print_help()
        return 0
    return _run(words)


def _run(words: list[str]) -> int:
    from core import CoreError
    from workbench.commands.output import error_lines, note

    try:
        given = parser(words[0] if words else None).parse_args(words)
        code: int = given.run(given)
        sys.stdout.flush()
    except CoreError as error:
        for line in error_lines(error):
            note(line)
        return 2
    except KeyboardInterrupt:
        note("workbench: interrupted")
        return 130
    except BrokenPipeError:
        # The reader has gone, for example `| head`.
        _say_no_more()
        return 141
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or error.filename is not None:
            raise
        note(f"The output cannot be written: {error.strerror}.")
        _say_no_more()
        return 2
    return code


def _say_no_more() -> None:
    """What is still to be written goes nowhere; Python would complain once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave(number: int, frame: Any) -> None:
    """A request to end unwinds like any exception, so that nothing half-written stays."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
