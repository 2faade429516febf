"""A method by import path, what may be imported, and the list of methods that nothing lists."""

import json
import subprocess
import sys
from dataclasses import fields, replace

import pytest
from method_cases import JOINT, SmallEncoder, clustered_views

from contrascope.diagnosis.causes import Known, collapse_cause, learning_cause
from contrascope.errors import InputError
from contrascope.imports import allow
from contrascope.methods.build import build_method
from contrascope.methods.joint.simclr_settings import SimCLRSettings
from contrascope.methods.settings import (
    IMPORTED,
    MethodSettings,
    discover,
    imported,
    method_settings,
)
from contrascope.runs.recipes import CPU_METHODS, RECIPES
from contrascope.runs.settings import RunSettings
from contrascope.settings import from_json, to_json

MINE = "own_methods:Mine"


@pytest.fixture(autouse=True)
def _nothing_known():
    before = dict(IMPORTED)
    IMPORTED.clear()
    yield
    IMPORTED.clear()
    IMPORTED.update(before)


def test_a_method_by_import_path_is_built_trained_and_survives_its_json():
    settings = method_settings(MINE)
    run = RunSettings(method=replace(settings, sharpness=3.0))
    written = to_json(run)
    assert written["method"]["kind"] == MINE
    assert from_json(RunSettings, json.loads(json.dumps(written))) == run  # allowed since it was typed
    method = build_method(run.method, SmallEncoder())
    assert type(method).__name__ == "Mine"
    assert method.sharpness == 3.0
    method(clustered_views()).terms.total.backward()
    assert method.encoder.conv.weight.grad.abs().max() > 0


def test_a_file_of_settings_imports_no_code_of_its_own_accord():
    written = to_json(RunSettings()) | {"method": {"kind": MINE, "sharpness": 3.0}}
    with pytest.raises(
        InputError, match=r"settings.method.kind is 'own_methods:Mine'; the method .* is code"
    ) as said:
        from_json(RunSettings, written)
    assert "add --allow-import own_methods:Mine to the command" in str(said.value)
    assert "or call contrascope.imports.allow('own_methods:Mine') first" in str(said.value)
    allow(MINE)
    assert from_json(RunSettings, written).method.sharpness == 3.0


def test_a_module_that_is_only_named_in_a_file_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "burglar.py").write_text("raise SystemExit('opened')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="is code"):
        from_json(RunSettings, to_json(RunSettings()) | {"method": {"kind": "burglar:Method"}})
    assert "burglar" not in sys.modules


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("own_methods:Nobody", "has no 'Nobody'. Known|Did you mean"),
        ("no_such_module:Method", "no module 'no_such_module'. Install it"),
        ("own_methods:NoSettings", "settings_type None; expected a dataclass derived from MethodSettings"),
        ("own_methods:Borrowed", "has the settings of simclr; give it a settings class of its own"),
        ("own_methods:number", "is 3; expected a class derived from contrascope.methods.base.Method"),
        ("own_methods:Nothing", "Nothing'>; expected a class derived from contrascope.methods.base.Method"),
        ("own_methods:pulled", "expected a class derived from contrascope.methods.base.Method"),
    ],
)
def test_what_is_no_method_is_refused(path, said):
    with pytest.raises(InputError, match=said):
        method_settings(path)


def test_names_that_were_typed_become_default_settings():
    assert method_settings("simclr") == SimCLRSettings()
    assert method_settings("barlow-twins") == method_settings("barlow_twins")
    with pytest.raises(
        InputError, match=r"no method 'simclar'\. Did you mean 'simclr'\? .* package.module:Class"
    ):
        method_settings("simclar")


def advice(word, signals, settings):
    known = Known(method=settings)
    return learning_cause(signals, known) if word == "not learning" else collapse_cause(word, signals, known)


def test_the_users_settings_say_the_cause(verdict_signals):
    settings = method_settings(MINE)
    found = advice("complete collapse", verdict_signals, settings)
    assert found.cause == "complete collapse: sharpness 2 with 4 numbers"
    assert found.next == advice("complete collapse", verdict_signals, MethodSettings()).next


@pytest.mark.parametrize("name", JOINT)
@pytest.mark.parametrize("word", ["not learning", "complete collapse", "dimensional collapse"])
def test_every_method_has_advice_for_every_verdict(name, word, verdict_signals):
    found = advice(word, verdict_signals, discover()[name].settings())
    assert found.cause
    assert found.next


def test_a_method_without_a_hint_has_the_general_advice(verdict_signals):
    for word in ("not learning", "complete collapse"):
        general = advice(word, verdict_signals, MethodSettings())
        assert advice(word, verdict_signals, discover()["plain"].settings()) == general
        assert "no setting that can cause it is out of its usual range." in general.cause
        assert advice("complete collapse", verdict_signals, SimCLRSettings()) != general


def test_a_temperature_far_off_is_named_as_the_cause(verdict_signals):
    hot = SimCLRSettings(temperature=50.0)
    assert "temperature 50 flattens" in advice("complete collapse", verdict_signals, hot).cause
    assert "temperature 50 flattens" in advice("not learning", verdict_signals, hot).cause
    narrow = advice("complete collapse", verdict_signals, SimCLRSettings())
    assert "puts out 4 numbers" in narrow.cause
    assert narrow.next == "Widen the projector."


def test_every_method_with_numbers_for_a_cpu_has_its_recipe():
    assert set(CPU_METHODS) == {name.replace("_", "-") for name, info in discover().items() if info.small_run}
    for name, info in CPU_METHODS.items():
        settings = RECIPES[f"cifar10-{name}-cpu"].make()
        assert type(settings.method) is info.settings
        assert settings.training.epochs == info.small_run.epochs
        assert from_json(RunSettings, to_json(settings)) == settings


def test_settings_recipes_and_the_list_of_methods_need_no_torch():
    code = (
        "import sys; import contrascope.runs.recipes as r; from contrascope.methods.settings import *; "
        "method_settings('plain'); [recipe.make() for recipe in r.RECIPES.values()]; "
        "print(sorted(set(sys.modules) & {'torch', 'numpy', 'jaxtyping'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_allowed_method_is_imported_once():
    allow(MINE)
    assert imported(MINE) is imported(MINE)
    assert {field.name for field in fields(imported(MINE).settings)} >= {
        "sharpness",
        "projector",
        "positives",
    }
