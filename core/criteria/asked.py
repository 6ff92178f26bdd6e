"""What annotations say to a form: the type behind them, its options, and the list that suggests values."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo


class Pick:
    """An annotation that says where a form finds suggestions: a list of names, or "KIND:NAME" for values of a name."""

    def __init__(self, source: str) -> None:
        self.source = source


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
    marks = [*info.metadata, *bare(info.annotation)[1]]
    return next((each.source for each in marks if isinstance(each, Pick)), None)
