"""Free-form values, one by one: how they are written (`tagged`: a value is stored as one string) and read back."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from core.errors import CoreError

Mask: TypeAlias = npt.NDArray[np.bool_]
Integers: TypeAlias = npt.NDArray[np.int64]
Millis: TypeAlias = npt.NDArray[np.int64]

NO_MOMENT: Final = np.iinfo(np.int64).min
"""The int64 that stands for "no moment"."""

NUMBER_PATTERN: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
"""Plain decimals with optional sign and exponent: never "NaN", "Infinity", "0x1F" or " 12 "."""

_ZONE: Final = r"(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)"
_CLOCK: Final = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
DATE_PATTERN: Final = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[Tt ]{_CLOCK}{_ZONE}?)?$"

_VERSION: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def number_text(value: int | float | Decimal) -> str:
    """A number as string operators read it: whole numbers in full and without a fraction, others in shortest form."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return str(int(value))
    return str(value)


def tagged(value: object) -> str:
    """A free-form value as one string: a type letter and the text that string operators read.

    `s` text, `n` number, `btrue` / `bfalse`, `z` null, `l` a JSON array of element texts. Nested objects become their
    JSON text, non-finite numbers the texts "NaN", "Infinity", "-Infinity" (DEFINITION 3.2: they are no numbers).
    """
    if isinstance(value, str):
        return "s" + value
    if value is None:
        return "z"
    if isinstance(value, bool):
        return "btrue" if value else "bfalse"
    if isinstance(value, int):
        return f"n{value}"
    if isinstance(value, float):
        if math.isfinite(value):
            return "n" + number_text(value)
        return "sNaN" if math.isnan(value) else ("sInfinity" if value > 0 else "s-Infinity")
    if isinstance(value, Decimal):
        return "n" + number_text(value) if value.is_finite() else f"s{value}"
    if isinstance(value, list | tuple):
        texts = [tagged(item)[1:] for item in value if item is not None]
        return "l" + orjson.dumps(texts).decode()
    return "s" + orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def plain(value: str | None) -> object:
    """The Python value behind a tagged one: str, int, float, bool, list of str, or None."""
    if value is None or value == "z":
        return None
    tag, text = value[0], value[1:]
    if tag == "n":
        return int(text) if re.fullmatch(r"-?[0-9]+", text) else float(text)
    if tag == "b":
        return text == "true"
    if tag == "l":
        return orjson.loads(text)
    if tag == "m":
        return [plain(item) for item in orjson.loads(text)]
    return text


def moment_ms(text: str) -> int | None:
    """UTC milliseconds of an ISO-8601 text (a date alone is its midnight, no zone is UTC), None if it is none."""
    try:
        moment = datetime.fromisoformat(text.upper())  # which knows no small z
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def millis(now: datetime) -> int:
    """UTC milliseconds of an aware datetime; CoreError for anything else."""
    if not isinstance(now, datetime):
        raise CoreError(f"`now` is no moment: {now!r}.", "Pass an aware datetime, for example datetime.now(UTC).")
    if now.tzinfo is None:
        raise CoreError("`now` has no time zone.", "Pass an aware datetime, for example datetime.now(UTC).")
    delta = now - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def version_parts(text: str) -> tuple[int, ...] | None:
    """`2.10` as (2, 10), trailing zeros left out so that missing parts are 0; None if a part is no number."""
    if not _VERSION.fullmatch(text):
        return None
    parts = [int(part) for part in text.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
