"""What annotations say to a form: the type behind them, its options, and the list that suggests values."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo


class Pick:
    """An annotation that says where a form finds suggestions: a list of names, or "KIND:NAME" for values of a name."""

    def __init__(self, source: str) -> None:
        self.source = source


class Dated:
    """An annotation that says that a text is a UTC date; with `times` it may be an instant, too."""

    def __init__(self, times: bool) -> None:
        self.times = times


SCOPE_PICKS: Final = ("inputs", "workspaces")
"""The lists that say where a criterion reads: forms show them apart from what it asks."""


def bare(annotation: Any) -> tuple[Any, list[Any], bool]:
    """The type behind `Annotated` and `| None`, the annotations on the way, and whether None is allowed."""
    extra: list[Any] = []
    optional = False
    while True:
        if get_origin(annotation) is Annotated:
            extra += get_args(annotation)[1:]
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation):
            rest = tuple(each for each in get_args(annotation) if each is not type(None))
            annotation, optional = (rest[0] if len(rest) == 1 else Union[rest]), True  # noqa: UP007 - at run time
        else:
            return annotation, extra, optional


def literals(annotation: Any) -> tuple[str, ...]:
    """The options of a Literal, none for anything else."""
    kind = bare(annotation)[0]
    return tuple(get_args(kind)) if get_origin(kind) is Literal else ()


def picked(info: FieldInfo) -> str | None:
    """The list that suggests values for a field."""
    return next((each.source for each in _marks(info) if isinstance(each, Pick)), None)


def dated(info: FieldInfo) -> Dated | None:
    """What is said of a field that holds a date."""
    return next((each for each in _marks(info) if isinstance(each, Dated)), None)


def _marks(info: FieldInfo) -> list[Any]:
    return [*info.metadata, *bare(info.annotation)[1]]
