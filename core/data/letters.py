"""Texts as arrays: their letters in UTF-8, one text behind the other, and where each begins."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]
"""Arrays by name, as the column cache keeps them."""


def text_arrays(texts: pl.Series, name: str) -> Arrays:
    """Texts as two arrays: their bytes and where each begins."""
    array: Any = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    _, offsets, data = array.buffers()
    begins = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    first, last = int(begins[0]), int(begins[-1])
    return {
        f"{name}.begins": begins - first,
        f"{name}.bytes": np.frombuffer(data or b"", np.uint8)[first:last] if last > first else np.zeros(0, np.uint8),
    }


def texts(arrays: Arrays, name: str) -> pl.Series:
    """The texts of `text_arrays`."""
    begins, data = arrays[f"{name}.begins"], arrays[f"{name}.bytes"]
    buffers = [None, pa.py_buffer(begins), pa.py_buffer(data)]
    return pl.Series(_Capsule(pa.LargeStringArray.from_buffers(len(begins) - 1, buffers[1], buffers[2])))


class _Capsule:
    """An array that polars takes as it is: given a pyarrow one, it would first import pandas, which takes a second."""

    def __init__(self, array: pa.Array) -> None:
        self._array = array

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        found: tuple[object, object] = self._array.__arrow_c_array__(requested_schema)
        return found
