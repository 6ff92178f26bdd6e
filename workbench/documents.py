"""JSON files that people hand over: read strictly, errors name the file and the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from core import Audience, DefinitionError, InputError, Problem

_DIGITS: Final = 1000
"""The most digits of a whole number; what a definition compares with has less."""


class TooDeep(InputError):
    """A document nested so deep that it cannot be read."""


def read_json(path: Path) -> Any:
    """The document in a file. InputError: no such file, no UTF-8, no JSON, a key given twice, NaN, too deep."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.", "Check the path.") from None
    except ValueError as error:
        raise InputError(f"{path!s}: is no path: {error}.") from None
    return parse_json(content, str(path))


def parse_json(content: bytes, path: str) -> Any:
    """The document in a file's content; `path` is what errors call it. InputError as for `read_json`."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 text (byte {error.start + 1}).", "Save it as UTF-8.") from None
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_int=_whole)
        # A lone surrogate (\ud800) is JSON, but no text that could be compared, written or shown.
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path}: is no JSON: {error.msg} ({place}).", "Correct it there.") from None
    except RecursionError:
        raise TooDeep(f"{path}: is nested too deep.", "Join groups instead of nesting them.") from None
    except UnicodeEncodeError:
        raise InputError(f"{path}: holds half a character (a lone \\ud800 to \\udfff).", "Remove it.") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}.") from None
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits is too long")
    return int(digits)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def read_document(path: Path) -> Any:
    """The document of an audience in a file. InputError: it cannot be read; DefinitionError: nested too deep."""
    try:
        return read_json(path)
    except TooDeep as error:
        message = "The definition is nested more than 100 levels deep."
        raise DefinitionError([Problem("root", message, error.hint)]) from None


def read_audience(path: Path) -> Audience:
    """The audience in a file. InputError: it cannot be read; DefinitionError: it is no valid audience."""
    return Audience.from_dict(read_document(path))


def read_audiences(path: Path) -> dict[str, Audience]:
    """The audiences by id in a file `{id: audience document}`; every problem of every one is told."""
    document = read_json(path)
    if not isinstance(document, dict):
        raise InputError(f"{path}: holds no object of audiences by id.", 'Write {"ID": {audience}, ...}.')
    found, problems = {}, []
    for audience_id, each in document.items():
        try:
            found[audience_id] = Audience.from_dict(each)
        except DefinitionError as error:
            problems += inside(f"{path} {audience_id}", error)
    if problems:
        raise DefinitionError(problems)
    return found


def inside(where: str, error: DefinitionError) -> list[Problem]:
    """The problems of an audience that is not the one asked about."""
    return [Problem(f"{where} {each.path}".rstrip(), each.message, each.hint) for each in error.problems]
