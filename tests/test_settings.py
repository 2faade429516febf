import dataclasses
import json
import typing
from pathlib import Path
from typing import Literal

import pytest

from contrascope.errors import InputError
from contrascope.evaluation.protocol import Protocol
from contrascope.evaluation.suites import TransferProtocol
from contrascope.runs.recipes import RECIPES
from contrascope.runs.settings import RunSettings
from contrascope.settings import differences, digest, from_json, has_kind, kind_of, to_json, written_as


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


def reachable(hint, found):
    """Every dataclass that a type names, and those that its fields name."""
    for part in typing.get_args(hint):
        reachable(part, found)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and hint not in found:
        found.append(hint)
        hints = typing.get_type_hints(hint)
        for one in dataclasses.fields(hint):
            reachable(hints[one.name], found)
    return found


def test_every_settings_class_of_a_run_has_a_kind_of_its_own_and_no_two_have_one():
    import contrascope.augment.corrupt  # noqa: F401  # an operation that no policy file lists
    from contrascope.augment.op import AbstractOp
    from contrascope.augment.presets import OPERATIONS
    from contrascope.methods.settings import discover

    found = reachable(RunSettings, [])
    for info in discover().values():
        reachable(info.settings, found)
    found += [kind for kind in AbstractOp.__subclasses__() if kind.__module__.startswith("contrascope.")]
    assert set(OPERATIONS.values()) < set(found)
    assert [kind.__name__ for kind in found if not has_kind(kind)] == []
    kinds = [kind_of(kind) for kind in found]
    assert len(set(kinds)) == len(kinds)


def test_a_kind_stays_when_its_class_is_renamed_and_is_not_inherited():
    @written_as("Dot")
    @dataclasses.dataclass(frozen=True)
    class Renamed:
        x: int = 1

    class Derived(Renamed):
        pass

    assert to_json(Renamed()) == {"kind": "Dot", "x": 1}
    assert from_json(Renamed, {"kind": "Dot", "x": 2}) == Renamed(2)
    with pytest.raises(InputError, match="expected 'Dot'"):
        from_json(Renamed, {"kind": "Renamed", "x": 2})
    assert kind_of(Derived) == "Derived"


def test_hashes_of_protocols_are_those_of_version_0_1():
    assert Protocol(k=20).hash == "e616a4743879"
    assert TransferProtocol().hash == "8d6775d93c2a"
