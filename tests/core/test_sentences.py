"""The English of whole definitions: as an analyst would say it, and never two meanings in one sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import product
from typing import Any

import pytest

from core import Audience
from core.criteria import CRITERIA, And, Criterion, Not, Or
from core.criteria.sentences import whole

Node = dict[str, Any]


def attribute(name: str) -> Node:
    return {"type": "user_attribute", "attribute": name, "operator": "exists"}


A, B, C, D = (attribute(name) for name in "ABCD")
NAMES = {
    "have an A that exists": "a",
    "have a B that exists": "b",
    "have a C that exists": "c",
    "have a D that exists": "d",
}


def both(*criteria: Node) -> Node:
    return {"type": "and", "criteria": list(criteria)}


def either(*criteria: Node) -> Node:
    return {"type": "or", "criteria": list(criteria)}


def no(criterion: Node) -> Node:
    return {"type": "not", "criterion": criterion}


def sentence(root: Node) -> str:
    document = {"name": "A", "workspaces": ["app"], "definition": {"version": 1, "root": root}}
    return Audience.from_dict(document).sentence


def short(root: Node) -> str:
    """The sentence with letters for its criteria."""
    text = sentence(root)
    for words, letter in NAMES.items():
        text = text.replace(words, letter)
    return text


@pytest.mark.parametrize(
    ("root", "text"),
    [
        (A, "People who a."),
        (both(A), "People who a."),
        (both(A, B, C), "People who a and who b and who c."),
        (either(A, B, C), "People who a or b or c."),
        (both(A, no(B)), "People who a; without those who b."),
        (both(no(A), B, no(C)), "People who b; without those who a; without those who c."),
        (both(A, no(either(B, C))), "People who a; without those who b or c."),
        (both(A, no(both(B, C))), "People who a; without those who b and who c."),
        (no(A), "Everyone; without those who a."),
        (no(no(A)), "Everyone; without those who are not among those who a."),
        (both(), "Everyone."),
        (either(), "Nobody."),
        (both(either(A, B), C), "People who either a or b, and who c."),
        (either(both(A, B), C), "People who a and who b, or who c."),
        (both(either(both(A, B), C), no(D)), "People who a and who b, or who c; without those who d."),
        (both(A, either(B, both(C, D))), "People who a, and who either b or (c and who d)."),
        (either(A, both(B, either(C, D))), "People who a, or who b and who (c or d)."),
        (either(A, no(B)), "People who a or are not among those who b."),
        (either(A, no(both(B, C))), "People who a or are not among those who (b and who c)."),
        (both(A, no(either(both(B, C), D))), "People who a; without those who b and who c, or who d."),
    ],
)
def test_groups_in_words(root: Node, text: str) -> None:
    assert short(root) == text


def test_the_sentence_of_an_audience() -> None:
    played = {
        "type": "event",
        "kind": "custom",
        "name": "Play Video",
        "where": [{"attribute": "title", "operator": "contains", "value": "Paris"}],
        "frequency": {"operator": "at_least", "value": 2},
    }
    consent = {"type": "consent", "regulation": "gdpr", "purpose": "advertising", "state": "given"}
    wished = {
        "type": "event",
        "kind": "ecommerce",
        "name": "add_to_wishlist",
        "frequency": {"operator": "equals", "value": 1},
    }
    window = {"type": "within_last", "amount": 90, "unit": "days"}
    bought = {"type": "event", "kind": "ecommerce", "name": "purchase", "when": window}
    assert sentence(both(either(both(played, consent), wished), no(bought))) == (
        "People who did “Play Video” where title contains “Paris” at least twice and who gave GDPR consent to "
        "advertising, or who did “add to wishlist” exactly once; without those who did “purchase” in the last 90 days."
    )


Meaning = Callable[[dict[str, bool]], bool]


@cache
def trees(letters: str) -> tuple[tuple[Criterion, Meaning], ...]:
    """Every tree of two or three parts a group over these letters in order, everything also turned round; meanings."""
    found: list[tuple[Criterion, Meaning]] = []
    if len(letters) == 1:
        found.append((LEAVES[letters], lambda truth: truth[letters]))
    for parts in _splits(letters):
        for below in product(*(trees(part) for part in parts)):
            nodes, means = tuple(node for node, _ in below), [mean for _, mean in below]
            found.append((_and(nodes), lambda truth, means=means: all(mean(truth) for mean in means)))
            found.append((_or(nodes), lambda truth, means=means: any(mean(truth) for mean in means)))
    if len(letters) < 3:
        found += [(_not(node), lambda truth, mean=mean: not mean(truth)) for node, mean in found]
    return tuple(found)


def _splits(letters: str) -> Iterator[tuple[str, ...]]:
    for first in range(1, len(letters)):
        yield letters[:first], letters[first:]
        for second in range(first + 1, len(letters)):
            yield letters[:first], letters[first:second], letters[second:]


# Made without being checked again: there are thousands.
LEAVES = {name: CRITERIA["user_attribute"].model_validate(attribute(name)) for name in "ABCD"}


def _and(nodes: tuple[Criterion, ...]) -> Criterion:
    return And.model_construct(type="and", criteria=nodes)


def _or(nodes: tuple[Criterion, ...]) -> Criterion:
    return Or.model_construct(type="or", criteria=nodes)


def _not(node: Criterion) -> Criterion:
    return Not.model_construct(type="not", criterion=node)


@pytest.mark.parametrize("letters", ["A", "AB", "ABC", "AAB", "ABA", "ABCD"])
def test_no_sentence_has_two_meanings(letters: str) -> None:
    """One sentence, one truth table."""
    truths = [dict(zip("ABCD", values, strict=True)) for values in product((False, True), repeat=4)]
    meanings: dict[str, set[tuple[bool, ...]]] = defaultdict(set)
    for node, mean in trees(letters):
        meanings[whole(node)].add(tuple(mean(truth) for truth in truths))
    assert [text for text, found in meanings.items() if len(found) > 1] == []
