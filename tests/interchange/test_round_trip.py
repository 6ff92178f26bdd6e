"""Random audiences into mParticle's schema and back: sound documents, equal audiences, the same members."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
from hypothesis import example, given, settings

from core import Audience
from core.interchange import HOLE, from_mparticle, to_mparticle
from tests.interchange.schema import SCHEMA
from tests.interchange.wording import worded
from tests.random_audiences import audience as random_audience
from tests.random_audiences import audiences
from tests.strategies import Situation, situations
from tests.worlds import dataset_of, moment, named_audiences, scratch

VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def holes(value: Any) -> list[str]:
    """The paths of what a document could not say."""
    if isinstance(value, list):
        return [path for each in value for path in holes(each)]
    if not isinstance(value, dict):
        return []
    if value.get("model") == HOLE:
        return [value["path"]]
    return [path for each in value.values() for path in holes(each)]


@given(audiences())
def test_every_audience_gives_a_sound_document(audience: Audience) -> None:
    written = to_mparticle(audience)
    assert json.loads(json.dumps(written.document, allow_nan=False)) == written.document
    assert not list(VALIDATOR.iter_errors(written.document))


@given(audiences())
def test_what_is_not_said_is_listed_where_the_document_has_a_hole(audience: Audience) -> None:
    written = to_mparticle(audience)
    unsaid = {problem.path for problem in written.unsaid}
    left = set(holes(written.document))
    assert left <= unsaid
    assert all(any(path.startswith(hole) for hole in left) for path in unsaid)


@given(audiences())
@example(random_audience(15000))  # a version of a product that differs
def test_what_is_said_comes_back_equal(audience: Audience) -> None:
    written = to_mparticle(audience)
    if not written.unsaid:
        read = from_mparticle(written.document, name=audience.name, external_name=audience.external_name)
        assert read.audience == worded(audience)
        assert to_mparticle(read.audience).document == written.document


@settings(max_examples=40)
@given(situations)
def test_what_comes_back_has_the_same_members(found: Situation) -> None:
    with scratch() as folder:
        dataset = dataset_of(found, folder / "data")
        named, now = named_audiences(found), moment(found.now)
        for document in found.audiences:
            audience = Audience.from_dict(document)
            written = to_mparticle(audience)
            if not written.unsaid:
                back = from_mparticle(written.document, name=audience.name).audience
                ours, theirs = (dataset.evaluate(each, now=now, audiences=named) for each in (audience, back))
                assert theirs.members["mpid"].to_list() == ours.members["mpid"].to_list()
