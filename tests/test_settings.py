import dataclasses
import json
from pathlib import Path
from typing import Literal

import pytest

from contrascope.errors import InputError
from contrascope.runs.recipes import RECIPES
from contrascope.runs.settings import RunSettings
from contrascope.settings import differences, digest, from_json, to_json


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_json(name):
    settings = RECIPES[name].make()
    tree = json.loads(json.dumps(to_json(settings)))
    assert from_json(RunSettings, tree) == settings
    assert to_json(from_json(RunSettings, tree)) == tree


def tree() -> dict:
    return to_json(RECIPES["digits-simclr"].make())


def test_a_misspelt_setting_is_named_with_its_path_and_the_right_word():
    data = tree()
    data["training"]["epoch"] = 3
    with pytest.raises(
        InputError, match=r"settings\.training\.epoch is not a setting.*Did you mean 'epochs'\?"
    ):
        from_json(RunSettings, data)


@pytest.mark.parametrize(
    ("part", "key", "value", "words"),
    [
        ("training", "epochs", "ten", r"settings\.training\.epochs is 'ten'; expected int"),
        ("training", "epochs", True, r"settings\.training\.epochs is True; expected int"),
        ("training", "epochs", 0, r"training\.epochs is 0; expected 1 or more"),
        ("training", "compile", 1, r"settings\.training\.compile is 1; expected bool"),
        ("optim", "name", "adam", r"settings\.optim\.name is 'adam'; expected one of 'sgd', 'lars', 'adamw'"),
        ("method", "kind", "SimCLRSetting", r"settings\.method\.kind .*Did you mean 'SimCLRSettings'"),
        (
            "optim",
            "kind",
            "DataSettings",
            r"settings\.optim\.kind is 'DataSettings'; expected 'OptimSettings'",
        ),
    ],
)
def test_a_wrong_value_is_refused_by_its_path(part, key, value, words):
    data = tree()
    data[part][key] = value
    with pytest.raises(InputError, match=words):
        from_json(RunSettings, data)


@dataclasses.dataclass(frozen=True)
class Corner:
    pair: tuple[int, str]
    names: tuple[str, ...] = ()
    where: Path | None = None
    table: dict[str, float] = dataclasses.field(default_factory=dict)
    mode: Literal["a", 2] = "a"


def test_tuples_paths_dicts_and_missing_values():
    corner = Corner((1, "x"), ("p", "q"), Path("a/b"), {"k": 1.5}, 2)
    assert from_json(Corner, json.loads(json.dumps(to_json(corner)))) == corner
    with pytest.raises(InputError, match="settings lacks pair, which Corner needs"):
        from_json(Corner, {})
    with pytest.raises(InputError, match=r"settings\.pair has 3 entries; expected 2"):
        from_json(Corner, {"pair": [1, "x", 3]})
    with pytest.raises(InputError, match=r"settings\.names is 'p'; expected a list"):
        from_json(Corner, {"pair": [1, "x"], "names": "p"})
    with pytest.raises(InputError, match=r"settings\.table"):
        from_json(Corner, {"pair": [1, "x"], "table": [1]})


def test_differences_name_each_changed_added_and_removed_path():
    one, other = {"a": {"b": 1, "c": [1]}, "x": 0}, {"a": {"b": 2, "c": [1]}, "y": 5}
    assert differences(one, other) == ["a.b: 1 -> 2", "x: 0 -> None", "y: None -> 5"]
    assert differences(one, one) == []


def test_the_digest_tells_settings_apart_whatever_the_order():
    digests = {digest(recipe.make()) for recipe in RECIPES.values()}
    assert len(digests) == len(RECIPES)
    assert digest(RECIPES["digits-simclr"].make()) == digest(tree())
