"""The command line: `workbench COMMAND`. Parses, calls the core, tells errors; nothing else lives here."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from core import CoreError
from workbench.commands import answers, audiences, compacting, converting, downloads, loading, people, serving, settings
from workbench.commands.options import Parser
from workbench.commands.output import error_lines, note


def parser() -> Parser:
    """The parser of all commands."""
    root = Parser(prog="workbench", description="Audiences: load what people did, say who you mean, count them.")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=Parser)
    for group in (serving, loading, compacting, answers, audiences, people, downloads, converting, settings):
        group.add(commands)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 an error, 3 something that cannot be said (`convert`)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), _leave)
    try:
        given = parser().parse_args(arguments)
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
        # The reader has gone, for example `| head`; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _leave(number: int, frame: Any) -> None:
    """A request to end unwinds like any exception, so that nothing half-written stays."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
