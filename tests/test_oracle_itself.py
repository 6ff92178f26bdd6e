"""The oracle against the tables of cases: it agrees with what was derived by hand before it may judge the engine."""

from __future__ import annotations

import pytest

from tests.conformance.cases import CITIES, Case, cases, world_of
from tests.oracle import members

CASES = [case for case in cases() if case.expect is not None]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_oracle_agrees_with_the_case(case: Case) -> None:
    found = members(world_of(case), case.audience, case.now, audiences=case.audiences, cities=CITIES)
    assert sorted(found) == case.expect, case.title
