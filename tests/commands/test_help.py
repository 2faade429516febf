import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contrascope.cli import main
from contrascope.commands.command import all_commands
from contrascope.commands.train import recipe_lines
from contrascope.runs.recipes import RECIPES
from contrascope.terminal.help import value_of

FLAGS = Path(__file__).parents[1] / "cli_flags.txt"
NAMES = sorted(all_commands())
HELPS = [*[[name] for name in NAMES], ["train", "digits-simclr"], []]
ASK = """
import contextlib, io, json, sys
from contrascope.cli import main
found = {}
for words in json.loads(sys.argv[1]):
    for flag in ("--help", "--help-all"):
        if flag == "--help-all" and not words:
            continue
        with contextlib.redirect_stdout(io.StringIO()) as text:
            try:
                code = main([*words, flag])
            except SystemExit as stop:
                code = stop.code
        heavy = [name for name in ("torch", "numpy", "datasets", "accelerate") if name in sys.modules]
        found[" ".join([*words, flag])] = [code, heavy, text.getvalue()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def helps():
    """Every help in one fresh process: its code, the heavy packages that are loaded by then, its text."""
    words = [sys.executable, "-c", ASK, json.dumps(HELPS)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_every_help_answers_without_torch(words, helps):
    for flag in ("--help", "--help-all"):
        if flag == "--help-all" and not words:
            continue
        code, heavy, text = helps[" ".join([*words, flag])]
        assert code == 0
        assert heavy == []
        assert text.startswith("usage: contrascope")


@pytest.mark.parametrize("name", NAMES)
def test_the_short_help_is_one_screen_that_names_the_long_one(name, helps):
    _, _, text = helps[f"{name} --help"]
    short = text.partition("recipes:")[0]
    assert "--help-all" in short
    assert "--quiet" in short
    assert f"\nexamples:\n  contrascope {name} " in short
    assert len(short.splitlines()) <= 45
    assert max(map(len, short.splitlines())) <= 110


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_of_the_short_help_is_one_of_the_long_help(name, helps):
    _, _, text = helps[f"{name} --help-all"]
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    for shown in all_commands()[name].shown:
        assert re.search(rf"(?<![\w-]){re.escape(shown.flag)}(?![\w.-])", plain), shown.flag
        assert "\n" not in shown.about
    assert 2 <= len(all_commands()[name].shown) <= 12


def test_the_short_help_of_a_recipe_has_its_own_defaults(helps):
    _, _, text = helps["train digits-simclr --help"]
    assert re.search(r"--training.epochs +passes over the images \(150\)", text)
    assert re.search(r"--method +.*\n? *.*\(SimCLR\)", text)


def test_help_names_the_recipes_and_the_commands(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} {command.words} " in text for name, command in all_commands().items())
    assert all(command.summary in text for command in all_commands().values())
    assert all(f"  {line}\n" in text for line in recipe_lines())
    assert main(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {recipe.family or name} " in text for name, recipe in RECIPES.items())


def test_help_as_a_word_is_the_same(capsys):
    assert main(["help"]) == main(["--help"]) == 0
    usage = capsys.readouterr().out
    assert main(["help", "embed"]) == 0
    assert capsys.readouterr().out.startswith("usage: contrascope embed ")
    assert usage[: len(usage) // 2] == usage[len(usage) // 2 :]


def test_a_setting_that_does_not_exist_has_no_default():
    with pytest.raises(KeyError, match=r"--protocol\.kk"):
        value_of(all_commands()["evaluate"].arguments, "--protocol.kk")


def flags(capsys):
    recipes = [f"cifar10-{name}-cpu" for name in ("moco", "barlow-twins", "simsiam", "byol", "vicreg")]
    others = [name for name in NAMES if name != "train"]
    found = []
    for words in [["train", "digits-simclr"], *[["train", r] for r in recipes], *[[name] for name in others]]:
        with pytest.raises(SystemExit) as stopped:
            main([*words, "--help-all"])
        assert stopped.value.code == 0
        text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        own = set(re.findall(r"(?<![\w-])--[a-z][\w.-]*\w", text))
        found += [f"{' '.join(words)} {flag}" for flag in sorted(own)]
    return found


def test_the_flags_of_every_command_are_the_frozen_ones(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert flags(capsys) == FLAGS.read_text().splitlines()


def test_every_command_has_its_row_in_the_docs():
    page = (FLAGS.parents[1] / "docs" / "commands.md").read_text()
    for name, command in all_commands().items():
        assert command.name == name
        assert f"| `{name} {command.words}` |".replace("|S", "\\|S").replace("|R", "\\|R") in page, name
