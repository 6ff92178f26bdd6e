"""How criteria are joined in English: exact and without doubt, with as few brackets as that allows.

A criterion's own words stand after "who". Criteria are joined by "and who" and by "or", which no criterion holds by
itself (an "or" inside of one stands in brackets). Groups in a group are told apart by commas, alternatives in an "and"
by "either"; what lies deeper stands in brackets. Exclusions of the whole come last, each after a semicolon.
"""

from __future__ import annotations

from core.criteria.base import And, Criterion, Not, Or


def whole(root: Criterion) -> str:
    """ "People who A, and who either B or C; without those who D."."""
    root = _inner(root)
    if isinstance(root, And | Or) and not root.criteria:
        return "Everyone." if isinstance(root, And) else "Nobody."
    parts = root.criteria if isinstance(root, And) else (root,)
    asked = [part for part in parts if not isinstance(_inner(part), Not)]
    excluded = [inner.criterion for part in parts if isinstance(inner := _inner(part), Not)]
    text = f"People who {_group('and', asked, 0)}" if asked else "Everyone"
    return "".join([text, *(f"; without those who {phrase(each)}" for each in excluded), "."])


def phrase(node: Criterion, depth: int = 0) -> str:
    """A node in words, to stand after "who"; `depth`: in how many groups it stands."""
    node = _inner(node)
    if isinstance(node, Not):
        inside = phrase(node.criterion)
        return f"are not among those who {f'({inside})' if _is_group(node.criterion) else inside}"
    if not isinstance(node, And | Or):
        return node.sentence
    if not node.criteria:
        return "are anybody" if isinstance(node, And) else "are nobody"
    word = "and" if isinstance(node, And) else "or"
    if depth < 2:
        return _group(word, node.criteria, depth)
    return f"({_group(word, node.criteria, 1)})"


def _group(word: str, parts: tuple[Criterion, ...] | list[Criterion], depth: int) -> str:
    if len(parts) == 1:
        return phrase(parts[0], depth)
    apart = depth == 0 and any(map(_is_group, parts))
    joined = f" {word} who " if word == "and" or apart else " or "
    texts = [_part(part, word, depth) for part in parts]
    return f",{joined}".join(texts) if apart else joined.join(texts)


def _part(part: Criterion, word: str, depth: int) -> str:
    text = phrase(part, depth + 1)
    either = depth == 0 and word == "and" and isinstance(_inner(part), Or) and _is_group(part)
    return f"either {text}" if either else text


def _inner(node: Criterion) -> Criterion:
    """A node without the groups that hold nothing else."""
    while isinstance(node, And | Or) and len(node.criteria) == 1:
        node = node.criteria[0]
    return node


def _is_group(node: Criterion) -> bool:
    inner = _inner(node)
    return isinstance(inner, And | Or) and len(inner.criteria) > 1
