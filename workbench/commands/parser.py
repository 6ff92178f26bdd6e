"""The parser of the command line: what is wrong in its words, in one line."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that raises `Misuse` with one line instead of printing its usage and leaving."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **keywords})

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong."""
        # The core takes half a second to import: a list of commands does without.
        from workbench.commands.options import Misuse

        if message.startswith("argument "):
            raise Misuse(f"{message.removeprefix('argument ')}.".replace("..", "."))
        raise Misuse(f"{self.prog}: {message}.", f"See {self.prog} --help.")
