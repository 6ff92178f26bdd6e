"""Random audiences without a world around them: for what is said about definitions (source text, links, schemas)."""

from __future__ import annotations

from hypothesis import strategies as st

from core import Audience
from tests import definitions
from tests.definitions import Surroundings
from tests.strategies import Dice, Document

CALCULATED: list[Document] = [
    {"workspace": "app", "name": "spent", "calculation": "sum"},
    {"workspace": "app", "name": "seen", "calculation": "first_timestamp"},
    {"workspace": "shop", "name": "words", "calculation": "unique_list"},
    {"workspace": "shop", "name": "best", "calculation": "most_frequent"},
]
AROUND = Surroundings({"app": ["ios", "web"], "shop": ["web", "crm"]}, [], CALCULATED)


def audience(seed: int, depth: int = 5) -> Audience:
    """The random audience of a seed."""
    return Audience.from_dict(definitions.audience(Dice(seed), AROUND, ["one", "two"], depth))


def audiences() -> st.SearchStrategy[Audience]:
    """Random audiences: every node, operator, window and field."""
    return st.builds(audience, st.integers(0, 2**32))
