"""The logic line: a tree as "(A or B) and not C" and back; letters name the leaves in their order from the left.

    expression  = conjunction { "or" conjunction }
    conjunction = operand { "and" operand | "exclude" operand }      A exclude B = A and not B
    operand     = "not" operand | "all" operand | "any" operand | "(" expression ")" | letter | "everyone" | "nobody"

Brackets make a group of their own: `(A and B) and C` is a group inside a group, `A and B and C` is one group. `all A`
and `any A` are groups of one; `everyone` and `nobody` are the empty groups (and, or). Words and letters in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from core.audience import MAX_DEPTH
from core.criteria import And, Criterion, Not, Or, walk
from core.errors import FormulaError

MAX_CHARACTERS: Final = 100_000
"""The longest text that is read."""

WORDS: Final = frozenset({"AND", "OR", "NOT", "EXCLUDE", "ALL", "ANY", "EVERYONE", "NOBODY"})
"""What is said in words, and so is no letter: after OQ comes OS."""

_TOKEN: Final = re.compile(r"[A-Za-z]+|\S")
_OR, _AND, _PREFIX, _ATOM = range(4)


def _label(number: int) -> str:
    """A, B, ... Z, AA, AB, ... for 1, 2, ..."""
    text = ""
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(ord("A") + digit) + text
    return text


def letters() -> Iterator[str]:
    """The names of leaves, without end: A, B, ... Z, AA, AB, ... but no word of the line."""
    number = 0
    while True:
        number += 1
        if (label := _label(number)) not in WORDS:
            yield label


def leaves_of(root: Criterion) -> tuple[Criterion, ...]:
    """The criteria that are no group and no not, pre-order: the first is A."""
    if isinstance(root, And | Or | Not):
        return tuple(leaf for _, child in root.children() for leaf in leaves_of(child))
    return (root,)


def leaf_letters(root: Criterion) -> dict[str, str]:
    """The letters of the leaves by their paths, pre-order."""
    paths = (path for path, node in walk(root) if not isinstance(node, And | Or | Not))
    return dict(zip(paths, letters(), strict=False))


# --- printing ----------------------------------------------------------------------------------------------------


def to_formula(root: Criterion) -> str:
    """The tree as a logic line. A group inside a group has brackets: nobody needs to know which word binds tighter."""
    return _written(root, letters())[0]


def _written(node: Criterion, names: Iterator[str]) -> tuple[str, int]:
    """The text of a node and how tightly it binds."""
    if isinstance(node, Not):
        return f"not {_inside(node.criterion, names, _PREFIX)}", _PREFIX
    if not isinstance(node, And | Or):
        return next(names), _ATOM
    conjunction = isinstance(node, And)
    if not node.criteria:
        return ("everyone" if conjunction else "nobody"), _ATOM
    if len(node.criteria) == 1:
        return f"{'all' if conjunction else 'any'} {_inside(node.criteria[0], names, _PREFIX)}", _PREFIX
    texts = [_inside(child, names, _PREFIX) for child in node.criteria]
    return (" and " if conjunction else " or ").join(texts), _AND if conjunction else _OR


def _inside(node: Criterion, names: Iterator[str], least: int) -> str:
    text, binding = _written(node, names)
    return text if binding >= least else f"({text})"


# --- reading -----------------------------------------------------------------------------------------------------


def parse_formula(text: str, leaves: Sequence[Criterion] | Criterion, *, allow_unused: bool = False) -> Criterion:
    """The tree of a logic line over leaves (A is the first), or over those of a tree.

    A letter may be used twice. Raises FormulaError with the column of the mistake; a letter that is not used is one,
    unless `allow_unused`.
    """
    known = leaves_of(leaves) if isinstance(leaves, Criterion) else tuple(leaves)
    if len(text) > MAX_CHARACTERS:
        message = f"The formula is longer than {MAX_CHARACTERS:,} characters."
        raise FormulaError(message, MAX_CHARACTERS + 1, "Shorten it.")
    reader = _Reader(text, dict(zip(letters(), known, strict=False)))
    root = reader.whole()
    unused = [name for name in reader.leaves if name not in reader.used]
    if unused and not allow_unused:
        verb = "is" if len(unused) == 1 else "are"
        message = f"{', '.join(unused)} {verb} not used."
        raise FormulaError(message, len(text) + 1, "Use every letter, or remove its criterion.")
    return root


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    column: int

    @property
    def word(self) -> str:
        return self.text.upper()


class _Reader:
    """Reads one line from left to right."""

    def __init__(self, text: str, leaves: dict[str, Criterion]) -> None:
        self.leaves = leaves
        self.used: set[str] = set()
        self._tokens = [_Token(found.group(), found.start() + 1) for found in _TOKEN.finditer(text)]
        self._tokens.append(_Token("", len(text) + 1))
        self._at = 0
        self._depth = 0

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._token
        self._at += 1
        return token

    def whole(self) -> Criterion:
        """The tree of the whole line."""
        root = self._expression()
        token = self._token
        if token.text == ")":
            raise FormulaError("This bracket closes nothing.", token.column, "Remove it, or open one before.")
        if token.text:
            message = f"A word is missing before {token.text!r}."
            raise FormulaError(message, token.column, "Join criteria by and, or, or exclude.")
        if _levels(root) > MAX_DEPTH:
            raise FormulaError(f"The formula nests more than {MAX_DEPTH} levels deep.", 1, "Use fewer brackets.")
        return root

    def _expression(self) -> Criterion:
        parts = [self._conjunction()]
        while self._token.word == "OR":
            self._take()
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or.of(*parts)

    def _conjunction(self) -> Criterion:
        parts = [self._operand()]
        while self._token.word in ("AND", "EXCLUDE"):
            excluded = self._take().word == "EXCLUDE"
            operand = self._operand()
            parts.append(~operand if excluded else operand)
        return parts[0] if len(parts) == 1 else And.of(*parts)

    def _operand(self) -> Criterion:
        token = self._take()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"The formula nests more than {MAX_DEPTH} levels deep."
            raise FormulaError(message, token.column, "Use fewer brackets.")
        try:
            match token.word:
                case "NOT":
                    return ~self._operand()
                case "ALL":
                    return And.of(self._operand())
                case "ANY":
                    return Or.of(self._operand())
                case "(":
                    return self._bracketed(token)
                case "EVERYONE":
                    return And.of()
                case "NOBODY":
                    return Or.of()
            return self._leaf(token)
        finally:
            self._depth -= 1

    def _bracketed(self, opening: _Token) -> Criterion:
        if self._token.text == ")":
            raise FormulaError("These brackets are empty.", opening.column, "Write `everyone` or `nobody`.")
        inside = self._expression()
        if not self._token.text:
            raise FormulaError("This bracket is never closed.", opening.column, "Close it with `)`.")
        if self._token.text != ")":
            message = f"A word is missing before {self._token.text!r}."
            raise FormulaError(message, self._token.column, "Join criteria by and, or, or exclude.")
        self._take()
        return inside

    def _leaf(self, token: _Token) -> Criterion:
        if (leaf := self.leaves.get(token.word)) is not None:
            self.used.add(token.word)
            return leaf
        if not token.text:
            raise FormulaError("A criterion is missing here.", token.column, "Write a letter.")
        if token.word in WORDS or not token.text.isalpha():
            raise FormulaError(f"A criterion is missing before {token.text!r}.", token.column, "Write a letter.")
        known = list(self.leaves)
        way_out = f"The letters are {known[0]} to {known[-1]}." if len(known) > 1 else f"There is {', '.join(known)}."
        message = f"There is no criterion {token.text!r}."
        raise FormulaError(message, token.column, way_out if known else "There are no criteria yet.")


def _levels(node: Criterion) -> int:
    return 1 + max((_levels(child) for _, child in node.children()), default=0)
