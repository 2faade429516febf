import importlib
import subprocess
import sys

import pytest

from contrascope.moved import MOVED


@pytest.mark.parametrize("old", [old for old in MOVED if "lightning" not in old])
def test_every_old_path_leads_to_names_and_says_where_they_are(old):
    sys.modules.pop(f"contrascope.{old}", None)
    with pytest.warns(FutureWarning, match="until version 0.3"):
        module = importlib.import_module(f"contrascope.{old}")
    home = importlib.import_module(f"contrascope.{MOVED[old][0]}")
    name = next(name for name in vars(home) if name[0] != "_" and getattr(home, name) is not None)
    assert getattr(module, name) is getattr(home, name)


def test_a_name_that_was_split_off_is_found_in_its_second_home():
    sys.modules.pop("contrascope.experiments.train", None)
    with pytest.warns(FutureWarning):
        from contrascope.experiments.train import build, load_run, train
    assert {build.__module__, load_run.__module__, train.__module__} == {
        "contrascope.runs.build",
        "contrascope.runs.load",
        "contrascope.jobs.train",
    }


def test_a_module_that_became_a_room_still_gives_its_names():
    with pytest.warns(FutureWarning, match="concentration.concentration"):
        from contrascope.theory.concentration import check_distance  # noqa: F401
    with pytest.raises(ImportError):
        from contrascope.theory.concentration import nothing  # noqa: F401


def test_a_function_that_left_a_module_that_stays_is_found_with_a_note():
    with pytest.warns(FutureWarning, match="methods.build"):
        from contrascope.methods.registry import build_method
    assert build_method.__module__ == "contrascope.methods.build"


def test_a_wrong_name_below_an_old_path_is_an_import_error_as_ever():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("contrascope.experiments.nothing")


def test_the_note_points_at_the_line_that_imports():
    code = "import warnings; warnings.simplefilter('always')\nfrom contrascope.experiments.settings import RunSettings"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "contrascope.runs.settings" in done.stderr
    assert "<string>:2" in done.stderr


def test_a_class_that_nothing_stands_for_any_more_says_what_does_its_work():
    sys.modules.pop("contrascope.experiments.monitor", None)
    with (
        pytest.warns(FutureWarning),
        pytest.raises(ImportError, match=r"done by jobs\.monitor_probe\.MonitorProbe"),
    ):
        from contrascope.experiments.monitor import Monitor  # noqa: F401
    with pytest.raises(ImportError, match=r"contrascope\.Monitor is another class"):
        importlib.import_module("contrascope.experiments.monitor").Monitor  # noqa: B018
    from contrascope.experiments.monitor import MonitorProbe, monitor_row

    assert (MonitorProbe.__module__, monitor_row.__module__) == (
        "contrascope.jobs.monitor_probe",
        "contrascope.diagnosis.monitor.rows",
    )
