"""Whether something that makes answers quicker is worth its making; within `always`, everything is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final


class _State:
    """Whether everything is; one for the process."""

    def __init__(self) -> None:
        self.always = False


_state: Final = _State()


@contextmanager
def always(everything: bool = True) -> Iterator[None]:
    """Within it, what is made of much is made of little, too; for tests and measurements."""
    before, _state.always = _state.always, everything
    try:
        yield
    finally:
        _state.always = before


def pays(much: bool) -> bool:
    """Whether to make what pays where there is `much`."""
    return much or _state.always
