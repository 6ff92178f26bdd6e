"""The logic line: printing, reading, and both ways for any tree."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import Audience, CoreError, FormulaError
from core.criteria import And, Criterion, Not, Or
from core.criteria.users import UserAttribute
from core.formula import MAX_CHARACTERS, WORDS, leaves_of, letters, parse_formula, to_formula


def leaf(name: str) -> Criterion:
    return UserAttribute(type="user_attribute", attribute=name, operator="exists")


A, B, C, D = map(leaf, "abcd")

CASES = [
    ("A", A),
    ("(A or B) and not C", And.of(Or.of(A, B), ~C)),
    ("A or (B and C)", Or.of(A, And.of(B, C))),
    ("((A and B) or C) and not D", And.of(Or.of(And.of(A, B), C), ~D)),
    ("not (A and B) or C", Or.of(~And.of(A, B), C)),
    ("not not A", Not(type="not", criterion=~A)),
    ("(A and B) and C", And.of(And.of(A, B), C)),
    ("A and B and C", And.of(A, B, C)),
    ("A or (B or C)", Or.of(A, Or.of(B, C))),
    ("everyone", And.of()),
    ("nobody", Or.of()),
    ("A and not nobody", And.of(A, ~Or.of())),
    ("all A", And.of(A)),
    ("any not A", Or.of(~A)),
    ("all (A or B)", And.of(Or.of(A, B))),
    ("all any A and B", And.of(And.of(Or.of(A)), B)),
    ("not all A or B", Or.of(~And.of(A), B)),
]


@pytest.mark.parametrize(("text", "tree"), CASES)
def test_a_tree_has_its_line_and_the_line_its_tree(text: str, tree: Criterion) -> None:
    assert to_formula(tree) == text
    assert parse_formula(text, tree) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a AND b", And.of(A, B)),
        ("A exclude B", And.of(A, ~B)),
        ("A Exclude B and c", And.of(A, ~B, C)),
        ("A or B exclude C", Or.of(A, And.of(B, ~C))),
        ("A exclude not B", And.of(A, ~~B)),
        ("((A))and(B)", And.of(A, B)),
        ("B and A", And.of(B, A)),
        ("A or B and C", Or.of(A, And.of(B, C))),
        ("A and B or not A", Or.of(And.of(A, B), ~A)),
        ("\tA\nor\nB", Or.of(A, B)),
    ],
)
def test_what_people_type(text: str, tree: Criterion) -> None:
    used = [A, B, C][: 3 if "c" in text.lower().replace("exclude", "") else 2]
    assert parse_formula(text, used) == tree


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "missing here"),
        ("A and", 6, "missing here"),
        ("A and or B", 7, "before 'or'"),
        ("A B", 3, "A word is missing before 'B'"),
        ("(A or B", 1, "never closed"),
        ("A or B)", 7, "closes nothing"),
        ("A and ()", 7, "empty"),
        ("(A B)", 4, "A word is missing before 'B'"),
        ("A and E", 7, "no criterion 'E'"),
        ("A & B", 3, "A word is missing before '&'"),
        ("A and 1", 7, "before '1'"),
        ("A and not", 10, "missing here"),
        ("A and В", 7, "no criterion 'В'"),  # a Cyrillic letter
        ("A and B", 8, "C is not used."),
    ],
)
def test_mistakes_are_named_by_their_column(text: str, column: int, words: str) -> None:
    with pytest.raises(FormulaError, match=r"column \d+") as caught:
        parse_formula(text, [A, B, C])
    assert caught.value.column == column
    assert words in caught.value.message
    assert caught.value.hint
    assert isinstance(caught.value, CoreError)


def test_unused_letters_are_all_named_and_can_be_allowed() -> None:
    with pytest.raises(FormulaError, match="B, D are not used"):
        parse_formula("A or C", [A, B, C, D])
    assert parse_formula("A or C", [A, B, C, D], allow_unused=True) == Or.of(A, C)


def test_letters_go_on_after_z_and_are_no_words() -> None:
    names = list(islice(letters(), 20_000))
    assert names[:2] == ["A", "B"]
    assert names[25:28] == ["Z", "AA", "AB"]
    assert len(set(names)) == len(names)
    assert not WORDS & set(names)
    many = Or.of(*[leaf(str(number)) for number in range(1500)])
    assert " OQ or OS " in to_formula(many)
    assert parse_formula(to_formula(many), many) == many


def nested(levels: int) -> Criterion:
    """Groups and nots in turn, `levels` nodes below each other."""
    tree: Criterion = A
    for level in range(levels - 1):
        tree = (And.of(tree, B), Or.of(B, tree), Not(type="not", criterion=tree))[level % 3]
    return tree


def test_a_hundred_levels_are_read_and_more_are_refused_with_words() -> None:
    assert parse_formula(to_formula(nested(100)), nested(100)) == nested(100)
    with pytest.raises(FormulaError, match="100 levels"):
        parse_formula(to_formula(nested(101)), nested(101))
    for text in ("(" * 9000 + "A" + ")" * 9000, "not " * 4000 + "A"):
        with pytest.raises(FormulaError, match="100 levels") as caught:
            parse_formula(text, [A])
        assert caught.value.column > 100
    with pytest.raises(FormulaError, match="longer than"):
        parse_formula("A or " * MAX_CHARACTERS + "A", [A])


def trees() -> st.SearchStrategy[Criterion]:
    some = st.sampled_from([A, B, C, D])
    return st.recursive(
        some,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4).map(lambda parts: And.of(*parts)),
            st.lists(inner, max_size=4).map(lambda parts: Or.of(*parts)),
            inner.map(lambda part: Not(type="not", criterion=part)),
        ),
        max_leaves=30,
    )


@given(trees())
def test_reading_what_was_printed_gives_the_same_tree(tree: Criterion) -> None:
    text = to_formula(tree)
    assert parse_formula(text, tree) == tree
    assert parse_formula(text.upper(), leaves_of(tree)) == tree


@given(trees())
def test_no_bracket_can_be_left_out_but_where_words_would_mix(tree: Criterion) -> None:
    text = to_formula(tree)
    for at in (at for at, char in enumerate(text) if char == "("):
        depth, end = 0, at
        for end in range(at, len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if not depth:
                break
        bare = text[:at] + text[at + 1 : end] + text[end + 1 :]
        mixes = " and " in text[at:end] and (" or " in text[:at] or " or " in text[end:])
        assert mixes or parse_formula(bare, tree) != tree


@given(st.text(alphabet="ABC()andorxclute 1&", max_size=40) | st.text(max_size=20))
def test_any_text_is_read_or_refused_with_a_column(text: str) -> None:
    try:
        parse_formula(text, [A, B, C])
    except FormulaError as error:
        assert 1 <= error.column <= len(text) + 1


def test_an_audience_tells_its_formula() -> None:
    audience = Audience.of(Or.of(A, B) & ~C, name="Three", workspaces=["app"])
    assert audience.formula == "(A or B) and not C"
