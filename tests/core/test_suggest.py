"""Suggestions: the names that the data holds, those that most have first."""

from __future__ import annotations

from pathlib import Path

from core.suggest import Suggestion
from tests.core.answers import action, dataset, of


def test_attributes_of_products(tmp_path: Path) -> None:
    """Four products were bought or looked at: three have a colour, one of them a size; two were bought."""
    red, blue = {"custom_attributes": {"colour": "red", "size": "L"}}, {"custom_attributes": {"colour": "blue"}}
    seen = [action("view_detail", 1, [{"name": name, **blue}]) for name in ("shirt", "cap")]
    data = dataset(tmp_path, of(1, action("purchase", 2, [{"name": "shirt", **red}, {"name": "bag"}])), of(2, *seen))
    every = data.product_attributes(["shop", "nowhere"], ("ecommerce", None))
    assert every == [Suggestion("colour", filled=0.75), Suggestion("size", filled=0.25)]
    assert data.product_attributes(["shop"], ("any", None)) == every
    bought = data.product_attributes(["shop"], ("ecommerce", "purchase"))
    assert bought == [Suggestion("colour", filled=0.5), Suggestion("size", filled=0.5)]
    assert data.product_attributes(["shop"], ("ecommerce", "refund")) == []
