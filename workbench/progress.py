"""Progress: how far work is that takes long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import streamlit as st

PATIENCE_S: Final = 0.3
"""Work that takes longer shows how far it is."""

BREATH_S: Final = 0.03
"""How often work that goes on makes room for the next edit."""


class Progress:
    """A progress bar that appears when work takes long. Between steps Streamlit can turn to the next edit."""

    def __init__(self, words: str) -> None:
        self.words, self.slot, self.begun = words, st.empty(), time.monotonic()
        self.told = self.begun

    def __enter__(self) -> Callable[[int, int], None]:
        return self.step

    def __exit__(self, *error: object) -> None:
        self.slot.empty()

    def step(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.told < BREATH_S:
            return
        self.told = now
        if now - self.begun > PATIENCE_S:
            self.slot.progress(done / max(total, 1), self.words)
        else:
            self.slot.empty()
