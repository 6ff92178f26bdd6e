"""What stands there while the members of a draft are counted for long: an estimate, and how far the count is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

from core import Audience, Dataset, Estimate
from workbench import progress
from workbench.builder.answers import Steady

COUNTING = "Counting members"


class Waiting(progress.Progress):
    """The progress of the evaluations of a draft; the first that takes long is estimated from the sample meanwhile."""

    def __init__(self, data: Dataset, now: datetime, others: Mapping[str, Audience]) -> None:
        super().__init__(COUNTING)
        self._data, self._now, self._others, self._asked = data, now, others, False

    def of(self, audience: Audience) -> Steady:
        """What the evaluation of an audience is to call."""

        def step(done: int, total: int) -> None:
            if not self._asked and time.monotonic() - self.begun > progress.PATIENCE_S:
                self._asked = True
                found = self._data.estimate(audience, now=self._now, audiences=self._others, progress=self.step)
                self.words = estimate_words(found)
            self.step(done, total)

        return step


def estimate_words(found: Estimate) -> str:
    """An estimate in one line, with what its sign means."""
    if found.symbol == "error":
        return f":red[▲] No estimate, because of an error: {found.reason} · {COUNTING.lower()} exactly"
    if found.size is None or found.low is None or found.high is None:
        return f"\\~ Too few members in the sample for an estimate · {COUNTING.lower()} exactly"
    if found.low == found.high:
        return COUNTING
    return (
        f"About **{found.size:,}** members, with 95\u00a0% certainty {found.low:,} to {found.high:,} "
        f"(from a sample) · {COUNTING.lower()} exactly"
    )
