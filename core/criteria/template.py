"""Templates: one text a model that says how it is asked, as an English sentence and as the rows of a form.

    did {kind} {name} [of type {custom_type}]
    where {where}
    happened | {frequency|aggregate} {when}

A line is a row of the form. `{name}` stands for a field, `{a|b}` for one of several, `{a, b}` for several that may be
left out. `[...]`, or what stands outside of such brackets, is left out of the sentence when all of its fields say
nothing. What stands before ` | ` is the
label of the row and no part of the sentence; without it the text before the first field is the label.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

_PIECE: Final = re.compile(r"\{([^}]*)\}|([^{}\[\]]+)|([\[\]])")
_VOWEL: Final = re.compile(r"(?!one|us|uni|eu)[aeiou]", re.IGNORECASE)
_SPACES: Final = re.compile(r"\s+")
Join = Literal["one", "either", "list"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for fields: `one` field, `either` of several, or a `list` of fields that may be left out."""

    fields: tuple[str, ...]
    join: Join


@dataclass(frozen=True, slots=True)
class Row:
    """One line: its label in a form, and its texts and slots in order."""

    label: str
    parts: tuple[str | Slot, ...]
    said: tuple[tuple[str | Slot, ...], ...]
    """The sentence's segments: each is left out when none of its slots says anything."""

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The places for fields."""
        return tuple(part for part in self.parts if isinstance(part, Slot))


@lru_cache(maxsize=512)
def rows_of(template: str) -> tuple[Row, ...]:
    """The lines of a template."""
    return tuple(_row(line.strip()) for line in template.strip().splitlines())


def _row(line: str) -> Row:
    label, bar, rest = line.partition(" | ")
    pieces = _pieces(rest if bar else line)
    parts: list[str | Slot] = []
    segments: list[list[str | Slot]] = [[]]
    for piece in pieces:
        if piece in ("[", "]"):
            segments.append([])
            continue
        segments[-1].append(piece)
        text = piece.strip() if isinstance(piece, str) else piece
        if text:
            parts.append(text)
    if not bar:
        label = str(parts.pop(0)) if parts and isinstance(parts[0], str) else ""
    return Row(label.strip(), tuple(parts), tuple(tuple(each) for each in segments if each))


def _pieces(text: str) -> list[str | Slot]:
    found: list[str | Slot] = []
    for match in _PIECE.finditer(text):
        inside = match[1]
        if inside is None:
            found.append(match[0])
            continue
        join: Join = "either" if "|" in inside else "list" if "," in inside else "one"
        found.append(Slot(tuple(each.strip() for each in re.split(r"[|,]", inside)), join))
    return found


def fields_of(template: str) -> tuple[str, ...]:
    """Every field that a template asks for, in order."""
    return tuple(field for row in rows_of(template) for slot in row.slots for field in slot.fields)


def written(template: str, said: Callable[[str], str], without: frozenset[str] = frozenset()) -> str:
    """The sentence of a template; `said(field)` gives the words of a field, "" where it says nothing."""
    texts = [_line(row, said, without) for row in rows_of(template)]
    return _SPACES.sub(" ", " ".join(text for text in texts if text)).replace(" ,", ",").strip()


def _line(row: Row, said: Callable[[str], str], without: frozenset[str]) -> str:
    spoken = {slot: _slot(slot, said, without) for slot in row.slots}
    text = ""
    for segment in row.said:
        slots = [part for part in segment if isinstance(part, Slot)]
        if slots and not any(spoken[slot] for slot in slots):
            continue
        for part in segment:
            text = _beside(text, spoken[part]) if isinstance(part, Slot) else text + part
        text += " "
    return text


def _beside(text: str, words: str) -> str:
    """Words after a text: "a" before them becomes "an" where they begin with a vowel."""
    return f"{text[:-1]}n {words}" if text.endswith(" a ") and _VOWEL.match(words) else text + words


def _slot(slot: Slot, said: Callable[[str], str], without: frozenset[str]) -> str:
    texts = [(field, said(field)) for field in slot.fields if field not in without]
    if slot.join == "list":
        return ", ".join(f"{field} {text}" for field, text in texts if text)
    return " ".join(text for _, text in texts if text)


def plain_words(name: str) -> str:
    """A name of the definition format as words."""
    return name.replace("_", " ")
