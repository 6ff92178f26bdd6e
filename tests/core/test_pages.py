"""Pages: arrays that come and go use the same memory again."""

from __future__ import annotations

import platform
import resource

import numpy as np

from core.data import pages


def test_arrays_that_come_and_go_cost_no_new_pages() -> None:
    """By hand: 40 arrays of 8 MB are 81,920 pages of 4 KB; the same block each time is 2,048."""
    assert pages.keep() == (platform.libc_ver()[0] == "glibc")
    np.ones(1_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(40):
        np.ones(1_000_000)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < 10_000 or not pages.keep()
