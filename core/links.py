"""Links: a whole audience as a short text that is safe in a URL, and back.

    text    = "aw1." + base64url without padding (checksum + deflated)
    deflated = the JSON of {"audience": document, "audiences": {id: document}}, raw deflate with the dictionary below
    checksum = the first 6 bytes of BLAKE2b over the JSON

A link is read by everybody who is given one, so everything about it is bounded and checked before it is used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from core.audience import Audience
from core.errors import DefinitionError, LinkError

PREFIX: Final = "aw1."
"""The format and its version. Another dictionary, checksum or layout is another version."""

MAX_CHARACTERS: Final = 60_000
"""The longest link: below the 64 KB that servers take as a request line with its headers."""

MAX_JSON_BYTES: Final = 1_000_000
"""The largest JSON inside of a link: a short text that would grow beyond it is no link."""

_CHECKSUM_BYTES: Final = 6
_SHAPE: Final = re.compile(r"aw([0-9]+)\.([A-Za-z0-9_-]*)")

_DICTIONARY: Final = (
    b'"kilometers""miles""within_next""between_dates""more_than_ago""between_ago""calendar","offset":-1,"month""week"'
    b'"is_not_in""is_in""starts_with""ends_with""does_not_contain""does_not_match""matches_regex""not_equals""exists"'
    b'"sequence","steps":["cart_abandonment","wait":{"audience_membership","audience":"operator":"not_in"'
    b'"type":"location","operator":"within","latitude":,"longitude":,"distance":"country":"city":"state":"zip":"dma":'
    b'"type":"consent","regulation":"gdpr","purpose":"advertising","state":"given""rejected""no_record"'
    b'"type":"device","field":"platform""carrier""device_type""type":"identity","identity_type":"email""customer_id"'
    b'"type":"attribution","event":"install","publisher":{"campaign":{"type":"first_seen""type":"last_seen","when":{'
    b'"type":"calculated_attribute","name":"any_of":[{"none_of":[{"value_type":"string"'
    b'"where":[{"attribute":"where_product":[{"field":"category""price""total_amount"'
    b'"aggregate":{"function":"sum","of":{"product":{"field":"total_product_amount"},"operator":"greater_than","value":'
    b'"kind":"custom","name":"screen_view""session""any""ecommerce","name":"add_to_cart""purchase"'
    b'"frequency":{"operator":"at_least","value":2,"count":"days"},"when":{"type":"within_last","amount":30,"unit":"days"}'
    b'"type":"user_attribute","attribute":"operator":"contains","value":"true""exact_match","value":"'
    b'{"type":"not","criterion":{"type":"or","criteria":[{"type":"event",'
    b'"audiences":{"audience":{"external_name":null,"inputs":null,"lookback_days":30,"name":"","workspaces":[""],'
    b'"definition":{"version":1,"root":{"type":"and","criteria":[{"type":"event","kind":"'
)
"""What documents are made of, the most frequent last. Part of the format: never edited under one `PREFIX`."""


def to_link(audience: Audience, audiences: Mapping[str, Audience] | None = None) -> str:
    """The audience, and those of `audiences` that it names, as a link. LinkError when it would be too long."""
    embedded = {name: each.to_dict() for name, each in (audiences or {}).items() if name in audience.named_audiences}
    content = {"audience": audience.to_dict()} | ({"audiences": embedded} if embedded else {})
    raw = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    deflate = zlib.compressobj(9, wbits=-15, zdict=_DICTIONARY)
    payload = _checksum(raw) + deflate.compress(raw) + deflate.flush()
    text = PREFIX + base64.urlsafe_b64encode(payload).decode().rstrip("=")
    if len(raw) > MAX_JSON_BYTES or len(text) > MAX_CHARACTERS:
        message = f"The audience is too long for a link: {len(text):,} characters, {len(raw):,} bytes of JSON."
        raise LinkError(
            message, f"At most {MAX_CHARACTERS:,} and {MAX_JSON_BYTES:,} fit; share the document as a file."
        )
    return text


def from_link(text: str) -> tuple[Audience, dict[str, Audience]]:
    """The audience of a link and the audiences embedded in it by id. LinkError for anything that is no sound link."""
    content = _content(_json(_payload(text.strip())))
    try:
        audience = Audience.from_dict(content["audience"])
        named = {name: Audience.from_dict(document) for name, document in content.get("audiences", {}).items()}
    except DefinitionError as error:
        message = f"The audience in the link is not valid: {error.problems[0]}"
        raise LinkError(message, "It may come from a newer version of the program.") from None
    return audience, named


def _checksum(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=_CHECKSUM_BYTES).digest()


def _damaged() -> NoReturn:
    raise LinkError("The link is damaged.", "Copy the whole link again; some programs cut or change long texts.")


def _payload(text: str) -> bytes:
    if len(text) > MAX_CHARACTERS:
        message = f"A text of {len(text):,} characters is no link."
        raise LinkError(message, f"A link has at most {MAX_CHARACTERS:,} characters.")
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        if text.startswith(PREFIX):
            _damaged()
        raise LinkError("This is no link to an audience.", f"A link starts with {PREFIX!r}.")
    if f"aw{shape[1]}." != PREFIX:
        raise LinkError(f"The link is of version {shape[1]}, which this program cannot read.", "Update the program.")
    try:
        return base64.b64decode(shape[2] + "=" * (-len(shape[2]) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        _damaged()


def _json(payload: bytes) -> bytes:
    """The JSON of a payload; never more than `MAX_JSON_BYTES` are unpacked."""
    inflate = zlib.decompressobj(wbits=-15, zdict=_DICTIONARY)
    try:
        raw = inflate.decompress(payload[_CHECKSUM_BYTES:], MAX_JSON_BYTES + 1)
    except zlib.error:
        _damaged()
    if len(raw) > MAX_JSON_BYTES:
        message = f"The link holds more than {MAX_JSON_BYTES:,} bytes."
        raise LinkError(message, "Nothing that this program makes is as large.")
    if not inflate.eof or inflate.unused_data or _checksum(raw) != payload[:_CHECKSUM_BYTES]:
        _damaged()
    return raw


def _content(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw, parse_constant=_refused)
    except (ValueError, RecursionError):
        # The checksum holds, so it was made like this on purpose, by something else.
        raise LinkError("The link holds no JSON that can be read.", "It was not made by this program.") from None
    extra = isinstance(content, dict) and content.keys() - {"audience", "audiences"}
    if not isinstance(content, dict) or "audience" not in content or extra:
        raise LinkError("The link holds no audience.", "It was not made by this program.")
    if not isinstance(content.get("audiences", {}), dict):
        raise LinkError("The audiences in the link have no ids.", "It was not made by this program.")
    return content


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
