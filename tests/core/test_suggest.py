"""Suggestions: the names that the data holds, those that most have first, with their fill rate and different values."""

from __future__ import annotations

from pathlib import Path

from core import Dataset
from core.suggest import Event, Suggestion, names
from tests.core.answers import action, dataset, of
from tests.core.loads import T, batch, named


def found(data: Dataset, source: str, event: Event, *workspaces: str) -> dict[str, Suggestion]:
    assert data.end is not None
    return {each.value: each for each in names(data.entries(now=data.end), source, workspaces or ("shop",), event)}


def filled(every: dict[str, Suggestion]) -> dict[str, float | None]:
    return {name: each.filled for name, each in every.items()}


def test_attributes_of_products(tmp_path: Path) -> None:
    """Four products were bought or looked at: three have a colour, one of them a size; two were bought."""
    red, blue = {"custom_attributes": {"colour": "red", "size": "L"}}, {"custom_attributes": {"colour": "blue"}}
    seen = [action("view_detail", 1, [{"name": name, **blue}]) for name in ("shirt", "cap")]
    data = dataset(tmp_path, of(1, action("purchase", 2, [{"name": "shirt", **red}, {"name": "bag"}])), of(2, *seen))
    every = found(data, "product_attributes", ("ecommerce", None), "shop", "nowhere")
    assert filled(every) == {"colour": 0.75, "size": 0.25}
    assert filled(found(data, "product_attributes", ("any", None))) == filled(every)
    colour = every["colour"].distinct
    assert colour is not None and (colour.count, colour.exact, every["colour"].data_type) == (2, True, "string")
    bought = found(data, "product_attributes", ("ecommerce", "purchase"))
    assert filled(bought) == {"colour": 0.5, "size": 0.5}
    assert bought["colour"].distinct is not None and bought["colour"].distinct.count == 1
    assert found(data, "product_attributes", ("ecommerce", "refund")) == {}


def test_attributes_of_several_events(tmp_path: Path) -> None:
    """Of three plays two have a genre, jazz and rock; the one stop has another genre, jazz again, and a number."""
    data = Dataset.create(tmp_path / "dataset")

    def did(name: str, **attributes: object) -> dict[str, object]:
        return named(name, custom_attributes=attributes)

    one = batch(
        1, did("Play", genre="jazz"), did("Play", genre="rock"), did("Play"), did("Stop", genre="jazz", at=7), time=T
    )
    data.load_batches([one], workspace="shop", input="ios")
    every = found(data, "event_attributes", ("custom", None))
    assert filled(every) == {"genre": 0.75, "at": 0.25}
    assert every["genre"].distinct is not None and every["genre"].distinct.count == 2
    plays = found(data, "event_attributes", ("custom", "Play"))
    assert filled(plays) == {"genre": 2 / 3}


def test_fields_of_devices_tell_what_the_data_has_of_them(tmp_path: Path) -> None:
    data = Dataset.create(tmp_path / "dataset")
    phones = [batch(mpid, time=T, device_info={"platform": "iOS", "os_version": f"17.{mpid}"}) for mpid in (1, 2)]
    data.load_batches([*phones, batch(3, time=T)], workspace="shop", input="ios")
    every = found(data, "device_fields", ("any", None))
    version, carrier = every["os_version"], every["carrier"]
    assert (version.count, version.data_type, version.filled) == (2, "version", 2 / 3)
    assert version.distinct is not None and version.distinct.count == 2
    assert (carrier.count, carrier.filled, carrier.distinct) == (None, None, None)
