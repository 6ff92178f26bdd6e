"""The inner loops, compiled by numba once that is loaded, numpy's twins until then, with the same answers.

Loading starts in the background when a process has looked at enough rows for it to pay, and nobody waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import numpy as np

from core.data import pages
from core.data.loops import LOOPS, Array, Twins
from core.data.orders import ORDERS

EVERY: Final[Twins] = LOOPS | ORDERS
"""Each loop and its twin."""

ENOUGH: Final = 3_000_000
"""So many rows in one process, and the compiler pays."""

Mode = Literal["numpy", "compiled"]
MODES: Final[tuple[Mode, ...]] = ("numpy", "compiled")


def _examples() -> dict[str, list[tuple[Any, ...]]]:
    """Calls of every shape that occurs, so that each is compiled."""
    who, one, keep = np.zeros(1, np.uint32), np.zeros(1, np.int64), np.zeros(1, np.bool_)
    codes = [np.zeros(1, dtype) for dtype in (np.uint8, np.uint16, np.uint32)]
    rows, marks, read, sums = (who, one, one + 1, keep), np.zeros(1, np.uint64), frozen, np.zeros(1, np.int64)
    return {
        "count": [(*read(*rows), np.zeros(1, np.uint8), np.zeros(2, np.uint32))],
        "pick": [(*read(each, one, one + 1, keep), np.zeros(1, np.bool_)) for each in codes],
        "between": [(*read(who, one, one + 1), 0, 0, keep.copy())],
        "some": [(*read(one, one, one + 1, keep, one), keep.copy())],
        "find": [(*read(codes[0], np.zeros(2, np.int64), codes[0], one), keep.copy())],
        "add": [(*read(*rows, each, who, one), who.copy(), np.zeros(2, np.int64)) for each in codes],
        "highest": [(*read(*rows, each, one, one, one), sums) for each in (*codes, one)],
        "mark": [(*read(*rows, marks), np.zeros(1, np.uint64))],
        "edge": [(*read(*rows, each, who, who, one, one, one), sums, sums, who.copy()) for each in codes],
        "distinct": [(*read(who, who), 1, sums)],
        "place": [(*read(*rows, who, codes[1], one), sums, one, codes[1])],
        "chain": [(*read(np.zeros(2, np.int64)), one, codes[1], 1, 0, sums)],
    }


class _State:
    """Which loops run; one for the process, like the code that it holds and the memory that they fill."""

    def __init__(self) -> None:
        pages.keep()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.compiled: dict[str, Callable[..., None]] = {}
        self.only: Mode | None = None
        self.rows = 0

    def load(self) -> None:
        """Compile every loop, or take it from numba's cache on disk. Stops between two when the program ends."""
        import numba

        for name, calls in _examples().items():
            if not threading.main_thread().is_alive():
                return
            plain: Any = EVERY[name][0]
            try:
                loop = numba.njit(nogil=True, cache=True)(plain)
            except RuntimeError:  # no folder to keep compiled code in: it is compiled anew in every process
                loop = numba.njit(nogil=True)(plain)
            for call in calls:
                loop(*call)
            self.compiled[name] = loop

    def wake(self) -> None:
        """Begin to load in the background, once."""
        with self.lock:
            if self.thread is None:
                self.thread = threading.Thread(target=self.load, name="kernels")
                self.thread.start()


_state: Final = _State()


@contextmanager
def only(mode: Mode) -> Iterator[None]:
    """Within it, every loop is of one kind; for tests and measurements. Waits until the compiled ones are loaded."""
    if mode == "compiled":
        _state.wake()
        assert _state.thread is not None
        _state.thread.join()
    before, _state.only = _state.only, mode
    try:
        yield
    finally:
        _state.only = before


def loop_of(name: str, rows: int) -> Callable[..., None]:
    """What runs a loop over so many rows."""
    _state.rows += rows
    if _state.rows >= ENOUGH and _state.thread is None:
        _state.wake()
    twin = EVERY[name][1]
    return twin if _state.only == "numpy" else _state.compiled.get(name, twin)


def frozen(*arrays: Array) -> list[Array]:
    """The arrays read only and in one piece: mapped ones are, and each kind of array would be compiled by itself."""
    found = []
    for array in arrays:
        view = array
        if view.flags.writeable or not view.flags.c_contiguous:
            view = np.ascontiguousarray(array).view()
            view.flags.writeable = False
        found.append(view)
    return found
