"""Links: a whole audience in a text that is safe in a URL; what is damaged, foreign or a trap is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Audience, CoreError, LinkError
from core.links import _DICTIONARY, MAX_CHARACTERS, MAX_JSON_BYTES, from_link
from tests.random_audiences import audiences


def audience(root: dict[str, Any], **scope: Any) -> Audience:
    document = {"name": "Ünïcode 東京", "workspaces": ["app"], "definition": {"version": 1, "root": root}}
    return Audience.from_dict(document | scope)


SMALL = audience({"type": "user_attribute", "attribute": "tier", "operator": "exact_match", "value": "gold"})
MEMBER = audience({"type": "audience_membership", "audience": "one", "operator": "in"})


def forged(raw: bytes, prefix: str = "aw1.") -> str:
    """A link with a sound checksum around any bytes."""
    deflate = zlib.compressobj(9, wbits=-15, zdict=_DICTIONARY)
    payload = hashlib.blake2b(raw, digest_size=6).digest() + deflate.compress(raw) + deflate.flush()
    return prefix + base64.urlsafe_b64encode(payload).decode().rstrip("=")


@given(audiences())
def test_a_link_brings_the_audience_back(made: Audience) -> None:
    text = made.to_link()
    assert re.fullmatch(r"aw1\.[A-Za-z0-9_-]+", text)
    assert quote(text) == text
    assert from_link(text) == (made, {})


def test_the_named_audiences_travel_along_and_others_stay() -> None:
    text = MEMBER.to_link(audiences={"one": SMALL, "two": SMALL})
    assert from_link(text) == (MEMBER, {"one": SMALL})
    assert from_link(MEMBER.to_link()) == (MEMBER, {})
    assert from_link(f"  {text}\n") == (MEMBER, {"one": SMALL})


def test_links_stay_short() -> None:
    # Half of the document's JSON, though the text costs a third: the dictionary knows what documents are made of.
    assert len(SMALL.to_link()) < len(json.dumps(SMALL.to_dict())) / 2


def test_the_format_does_not_change() -> None:
    # A link that was shared stays good: this one is kept as it was.
    kept = KEPT
    assert from_link(kept) == (SMALL, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no link"),
        ("https://example.com", "no link"),
        ("aw2.AAAA", "version 2"),
        ("aw1.", "damaged"),
        ("aw1.A", "damaged"),
        ("aw1.AAAA AAAA", "damaged"),
        ("aw1." + "A" * 40, "damaged"),
        ("aw1." + "A" * MAX_CHARACTERS, "no link"),
        (forged(b"{}"), "holds no audience"),
        (forged(b"[1]"), "holds no audience"),
        (forged(b'{"audience": {}, "more": 1}'), "holds no audience"),
        (forged(b'{"audience": {}, "audiences": []}'), "no ids"),
        (forged(b'{"audience": {}}'), "not valid"),
        (forged(b'{"audience": NaN}'), "no JSON"),
        (forged(b"\xff"), "no JSON"),
        (forged(b"[" * 100_000), "no JSON"),
        (forged(b'{"audience":' + b"1" * 5000 + b"}"), "no JSON"),
        (forged(b'{"audience":' + b"[" * 900 + b"]" * 900 + b"}"), "not valid"),
    ],
)
def test_what_is_no_link_is_refused_with_words(text: str, words: str) -> None:
    with pytest.raises(LinkError, match=words) as caught:
        from_link(text)
    assert caught.value.hint
    assert isinstance(caught.value, CoreError)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = forged(b" " * 40_000_000)
    assert len(bomb) < MAX_CHARACTERS
    with pytest.raises(LinkError, match=f"{MAX_JSON_BYTES:,}"):
        from_link(bomb)


def test_what_is_too_long_for_a_link_is_told_when_it_is_made() -> None:
    texts = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2000)]
    root = {"type": "identity", "identity_type": "email", "operator": "is_in", "value": texts}
    with pytest.raises(LinkError, match="too long"):
        audience(root).to_link()


@given(st.data())
def test_no_damage_goes_unnoticed(data: st.DataObject) -> None:
    text = SMALL.to_link()
    at = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("ABCxyz019-_. é"))
    before, after = text[:at], text[at:]
    changed = data.draw(st.sampled_from([before, before + letter + after[1:], before + letter + after]))
    with suppress(LinkError):
        assert from_link(changed) == (SMALL, {})  # the last letter holds bits that mean nothing


@given(st.text(max_size=60) | st.binary(max_size=60).map(forged) | st.from_regex(r"aw1\.[\w-]{0,80}", fullmatch=True))
def test_any_text_is_a_link_or_a_link_error(text: str) -> None:
    with pytest.raises(LinkError):
        from_link(text)


KEPT = "aw1.LGYtZma7o9TFEEGomw_PyTu8Pjk_JVXh2dyNT3atwfBDYkEBcd5AilHsEZeenwPyITGpowRUstUCAQA"
