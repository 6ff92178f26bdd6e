"""The values of a batch as tagged texts within the limits of DEFINITION 6."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import orjson

from core.data.values import tagged

SCALARS: Final = frozenset({str, int, float, bool, type(None), Decimal})


class Odd(Exception):
    """A value that cannot be written."""


class Limits:
    """Values as tagged text within the limits of DEFINITION 6; `cut` counts what was cut or dropped."""

    NAME: Final = 256
    VALUE: Final = 4096
    ATTRIBUTES: Final = 100
    ENTRIES: Final = 1000

    def __init__(self) -> None:
        self.cut = 0

    def tag(self, value: Any) -> str:
        """The tagged text of a value; lists are kept to their first entries. Raises Odd for what cannot be written."""
        kind = type(value)
        if kind is int:
            return f"n{value}"
        if kind is float and value - value == 0:
            return f"n{int(value)}" if value.is_integer() else f"n{value!r}"
        if kind is list:
            return "l" + orjson.dumps(self._entries(value)).decode()
        if kind is dict:
            return "s" + _json(value)
        if kind not in SCALARS:
            raise Odd(kind.__name__)
        return tagged(value)

    def single(self, value: Any) -> str:
        """The tagged text of a single value, cut to the limit."""
        text = self.tag(value)
        self.cut += len(text) > self.VALUE + 1
        return text[: self.VALUE + 1]

    def _entries(self, values: list[Any]) -> list[str]:
        self.cut += max(0, len(values) - self.ENTRIES)
        # A list or an object inside a list is its JSON text.
        entry: Callable[[Any], str] = lambda item: _json(item) if type(item) in (list, dict) else tagged(item)[1:]  # noqa: E731
        texts = [entry(item) for item in values[: self.ENTRIES] if item is not None]
        long = [len(text) > self.VALUE for text in texts]
        if any(long):
            self.cut += sum(long)
            texts = [text[: self.VALUE] for text in texts]
        return texts


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError as error:
        raise Odd("nested too deep, or a number beyond 64 bits in it") from error
