"""A few members: masked, known by their first user identity, the same draw every time."""

from __future__ import annotations

from pathlib import Path

from core.members import some_members
from tests.core.answers import ago, answer, dataset, did, event, of
from tests.worlds import moment


def test_who_they_are(tmp_path: Path) -> None:
    """The order of types is that of DEFINITION 1: customer_id before email. 3 is no member; 2 has a device id only."""
    data = dataset(
        tmp_path,
        of(1, did("play", 2), days=2, user_identities={"email": "zoe@example.com", "customer_id": "c-1"}),
        of(2, did("play", 1), days=1, device_info={"ios_idfv": "AEBE52E7-03EE-455A-B3C4-E57283966239"}),
        of(3, days=1, user_identities={"email": "out@example.com"}),
        of(4, did("play", 3), days=3, user_identities={"email": "amy@example.com"}),
    )
    result = answer(data, event("play"))
    rows = {row[0]: row[1:] for row in some_members(result).rows()}
    assert rows == {
        1: ("customer id c•••", moment(ago(2))),
        2: (None, moment(ago(1))),
        4: ("email a•••@example.com", moment(ago(3))),
    }
    plain = some_members(result, masks=False)
    assert set(plain["identity"]) == {"customer id c-1", "email amy@example.com", None}
    assert some_members(result, 2)["mpid"].to_list() == plain["mpid"].to_list()[:2]


def test_nobody(tmp_path: Path) -> None:
    result = answer(dataset(tmp_path, of(1)), event("play"))
    assert some_members(result).is_empty()
