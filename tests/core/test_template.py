"""Templates: every field is asked for, and what a form asks is what the sentence says."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from core.criteria import CRITERIA, Criterion
from core.criteria.asked import SCOPE_PICKS, picked
from core.criteria.template import Slot, fields_of, rows_of, written
from core.criteria.windows import WINDOWS, Wait, window

LEAVES = {name: kind for name, kind in CRITERIA.items() if name not in ("and", "or", "not")}


def said(**words: str) -> Any:
    return lambda field: words.get(field, "")


def test_a_template_is_a_sentence() -> None:
    template = "did {kind} {name} [of type {custom_type}]\nwhere {where}\nhappened | {frequency|aggregate} {when}"
    assert written(template, said(kind="did", name="“Play”")) == "did did “Play”"
    words = said(name="“Play”", custom_type="media", where="x is 1", when="today")
    assert written(template, words) == "did “Play” of type media where x is 1 today"
    assert written(template, words, frozenset({"when"})) == "did “Play” of type media where x is 1"
    assert written("are in {city, country}", said(city="Paris", country="FR")) == "are in city Paris, country FR"


def test_a_template_is_the_rows_of_a_form() -> None:
    first, second = rows_of("did {kind} [of type {custom_type}]\nhappened | {frequency|aggregate} {when}")
    assert first.label == "did"
    assert first.parts == (Slot(("kind",), "one"), "of type", Slot(("custom_type",), "one"))
    assert second.label == "happened"
    assert second.slots == (Slot(("frequency", "aggregate"), "either"), Slot(("when",), "one"))


@pytest.mark.parametrize("name", LEAVES)
def test_every_field_of_a_criterion_is_asked_for(name: str) -> None:
    kind: type[Criterion] = LEAVES[name]
    asked: set[str] = set()
    fields = {info.alias or each: info for each, info in kind.model_fields.items()}
    choices = {field: kind.options(field, {}) for field in fields if field != "type"}
    for field, options in choices.items():
        for option in options:
            asked |= set(fields_of(kind.template({field: option})))
    asked |= set(fields_of(kind.template({})))
    assert {each for each, info in fields.items() if picked(info) not in SCOPE_PICKS} - {"type"} <= asked


@pytest.mark.parametrize("name", LEAVES)
def test_new_cards_belong_to_a_group_and_keep_only_what_they_ask_for(name: str) -> None:
    kind = LEAVES[name]
    assert kind.GROUP in ("Events", "Users", "Attribution")
    assert kind.CARDS
    for title, start in kind.CARDS.items():
        assert kind.title(start) == f"{kind.GROUP} · {title}"
        assert kind.fitted(start) == start


def test_an_edit_drops_what_no_longer_applies() -> None:
    event = CRITERIA["event"]
    edited = {
        "type": "event",
        "kind": "session",
        "name": "Play",
        "custom_type": "media",
        "where_product": [],
        "id": "1",
    }
    assert event.fitted(edited) == {"type": "event", "kind": "session", "id": "1"}
    attribute = CRITERIA["user_attribute"]
    compared = {"type": "user_attribute", "attribute": "age", "operator": "exists", "value": 3, "workspace": "w"}
    assert attribute.fitted(compared) == {k: v for k, v in compared.items() if k != "value"}
    consent = {"type": "consent", "regulation": "ccpa", "purpose": "ads", "state": "given"}
    assert CRITERIA["consent"].fitted(consent) == {"type": "consent", "regulation": "ccpa", "state": "opted_out"}
    forced = {"type": "user_attribute", "attribute": "age", "operator": "contains", "value": "1", "value_type": "date"}
    assert CRITERIA["user_attribute"].fitted(forced)["operator"] == "within_last"


SENTENCES = [
    ({"type": "event", "kind": "install", "when": {"type": "within_last", "amount": 72, "unit": "hours"}},
     "installed in the last 72 hours"),
    ({"type": "event", "kind": "session", "frequency": {"operator": "less_than", "value": 3}},
     "had a session fewer than 3 times"),
    ({"type": "event", "kind": "custom", "name": "Play Video",
      "where": [{"attribute": "title", "operator": "exact_match", "value": "Paris intro"}],
      "frequency": {"operator": "greater_than", "value": 0},
      "when": {"type": "between_ago", "from": 4, "to": 6, "unit": "days"}},
     "did “Play Video” where title is exactly “Paris intro” at least once between 4 and 6 days ago"),
    ({"type": "event", "kind": "custom", "name": "Read", "frequency": {"operator": "at_least", "value": 1}},
     "did “Read” at least once"),
    ({"type": "event", "kind": "any", "frequency": {"operator": "at_least", "value": 4, "count": "days"}},
     "did anything on at least 4 different days"),
    ({"type": "cart_abandonment", "wait": {"amount": 4, "unit": "days"}},
     "added to a cart at least 4 days ago and bought nothing since"),
    ({"type": "consent", "regulation": "gdpr", "purpose": "advertising", "state": "given"},
     "gave GDPR consent to advertising"),
    ({"type": "consent", "regulation": "ccpa", "state": "opted_out", "workspace": "app"},
     "opted out of data sale (CCPA) in app"),
    ({"type": "location", "operator": "within", "city": "Paris, FR", "distance": 25, "unit": "kilometers"},
     "are within 25 kilometers of Paris, FR"),
    ({"type": "user_attribute", "attribute": "trip", "operator": "more_than_ago", "amount": 30, "unit": "days"},
     "have a trip that is more than 30 days ago"),
]  # fmt: skip


@pytest.mark.parametrize(("node", "sentence"), SENTENCES)
def test_sentences(node: dict[str, Any], sentence: str) -> None:
    assert CRITERIA[node["type"]].model_validate(node).sentence == sentence


def test_windows_start_from_something_valid() -> None:
    dates = {"date": "2026-01-01", "from": "2026-01-01", "to": "2026-01-02"}
    for name, kind in WINDOWS.items():
        wanted = set(fields_of(kind.TEMPLATE))
        start = {**{key: dates[key] for key in wanted & set(dates)}, **kind.START}
        assert window({"type": name, **start}).sentence
        assert kind.TEMPLATE.startswith((kind.CHOICE, f"in the {kind.CHOICE}")) or kind.CHOICE == "between dates"
    singular = itertools.product((1, 2), ("day", "week"))
    assert [Wait(amount=n, unit=f"{unit}s").sentence for n, unit in singular] == [  # type: ignore[arg-type]
        "1 day", "1 week", "2 days", "2 weeks",
    ]  # fmt: skip
