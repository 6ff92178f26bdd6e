"""Regular expressions in DuckDB's RE2, meaning the same as where they are evaluated: classes are Unicode there."""

from __future__ import annotations

import re
from typing import Final

from core.sql import refuse

_WORD: Final = (
    r"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}"
    r"\x{200C}\x{200D}"
)
_SPACE: Final = r"\t\n\x0B\f\r\x{85}\p{Z}"
_CLASSES: Final = {"d": r"\p{Nd}", "s": _SPACE, "w": _WORD}
"""What stands between brackets for each class (UTS 18, annex C)."""

_TOKEN: Final = re.compile(
    r"\\p\{[A-Z][a-z]?\}|\\P\{[A-Z][a-z]?\}|\\x\{[0-9A-Fa-f]{1,6}\}|\\x[0-9A-Fa-f]{2}"
    r"|\\[dDsSwW]|\\[tnrfvaAz]|\\[^A-Za-z0-9\s<>]|\[:\^?[a-z]+:\]|\[\^?\]?|\(\?P?<[A-Za-z_]+>|\(\?[ims]*(?:-[ims]+)?[:)]"
    r"|\{[0-9]{1,3}(?:,[0-9]{0,3})?\}|.",
    re.DOTALL,
)


def re2(pattern: str) -> str:
    """The same expression for RE2; SqlError where the two differ in what they can say."""
    parts, inside = [], False
    for found in _TOKEN.finditer(pattern):
        token, rest = found.group(), pattern[found.start() :]
        opens = token[0] == "[" and not token.startswith("[:")
        if token in ("\\", "{") or (token == "(" and rest.startswith("(?")):
            raise refuse(f"DuckDB has no {rest[:2]} as in {pattern!r}.")
        if inside and (opens or rest[:2] in ("&&", "--", "~~")):
            raise refuse(f"DuckDB knows no classes within classes, as in {pattern!r}.")
        inside = opens or (inside and token != "]")
        parts.append(_class(token, inside, pattern))
    return "".join(parts)


def _class(token: str, inside: bool, pattern: str) -> str:
    if len(token) != 2 or token[0] != "\\" or token[1].lower() not in _CLASSES:
        return token
    chars = _CLASSES[token[1].lower()]
    if token[1].islower():
        return chars if inside else f"[{chars}]"
    if inside:
        raise refuse(f"DuckDB cannot say {token} within a class, as in {pattern!r}.")
    return f"[^{chars}]"
