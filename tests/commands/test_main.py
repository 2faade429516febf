import os
import re
import signal
import time
from pathlib import Path

import pytest
import torch
from command_cases import TINY, command

from contrascope.cli import main
from contrascope.commands import main as dispatch
from contrascope.commands.command import EXIT_CODES, all_commands
from contrascope.commands.ended import EndedError
from contrascope.errors import InputError
from contrascope.machine.device import find_device
from contrascope.training.device import NAME, accelerator_on


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "there is no command 'trian'. Did you mean 'train'?"),
        (["goemetry"], "Did you mean 'geometry'?"),
        (["main"], "there is no command 'main'."),
        (["train", "digits-simcrl"], "there is no recipe 'digits-simcrl'. Did you mean 'digits-simclr'?"),
        (["train"], "train needs a recipe, a file of settings or a run's folder first"),
        (["evaluate", "convnett", "digits"], "there is no encoder 'convnett'. Did you mean 'convnet'?"),
        (["embed", "convnet", "digit", "--out", "x.npz"], "Did you mean 'digits'?"),
        (["evaluate", "convnet"], "evaluate needs the images"),
        (["geometry", "convnet"], "an encoder needs images"),
        (["report"], "no run was named"),
        (
            ["embed", "convnet", "digits", "--out", "x.npz", "--device", "gpu"],
            "expected cpu, cuda, cuda:1 or mps",
        ),
        (
            ["diagnose", "convnet", "digits", "--device", "cuda:64"],
            "the device is 'cuda:64', but this machine shows",
        ),
    ],
)
def test_a_wrong_word_exits_2_with_one_line_that_says_what_is_right(words, said, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_a_misspelt_setting_exits_2_and_offers_the_right_one(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "digits-simclr", "--training.epoch", "3"])
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert "--training.epochs" in err
    assert out == ""


def test_a_place_that_cannot_be_written_exits_2_with_its_name(whole, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    words = ["embed", str(whole), "digits", "--data.split", "test", "--out", str(tmp_path / "file" / "x.npz")]
    assert main(words) == 2
    assert re.fullmatch(
        r"contrascope: .*file.*: (Not a directory|File exists)\. Choose another place.*\.\n",
        capsys.readouterr().err,
    )


def test_the_exit_codes_are_those_of_the_docs():
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", page, flags=re.MULTILINE))
    assert {int(code): text for code, text in rows.items()} == {
        code: text.replace("--monitor.stop", "`--monitor.stop`") for code, text in EXIT_CODES.items()
    }


@pytest.mark.parametrize("name", sorted(all_commands()))
@pytest.mark.parametrize(
    ("number", "code", "by"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_a_stop_ends_every_command_in_one_line_with_its_code(name, number, code, by, monkeypatch, capsys):
    """The signal comes while the command runs, whatever it does: the call itself is replaced."""

    def stopped(self, words):
        signal.raise_signal(number)

    monkeypatch.setattr("contrascope.commands.command.Command.__call__", stopped)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        main([name])
    assert stop.value.code == code
    assert signal.getsignal(signal.SIGTERM) is before
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"contrascope: stopped by {by}. {all_commands()[name].stopped}\n"


def wait_for_torch(pid, *, seconds=60):
    """Until the process has loaded torch, which a command does after it is ready for signals."""
    maps, end = Path(f"/proc/{pid}/maps"), time.monotonic() + seconds
    while maps.exists() and "libtorch_cpu" not in maps.read_text() and time.monotonic() < end:
        time.sleep(0.2)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_of_a_process_that_measures_leaves_no_traceback_and_no_file(number, code, tmp_path):
    words = ("evaluate", "resnet50", "scenes", "--data.size", "64", "--protocol.bootstrap", "9")
    process = command(*words)
    wait_for_torch(process.pid)
    time.sleep(4)
    assert process.poll() is None, process.communicate()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert re.search(r"contrascope: stopped by (Ctrl-C|SIGTERM)\. Nothing was written\.\n$", err)
    assert "Traceback" not in err


def test_a_stopped_training_names_its_folder_and_an_unbegun_one_leaves_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    begun = iter((False, True))

    def stopped(settings, out, **rest):
        if next(begun):
            (out / "settings.json").write_text("{}")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("contrascope.jobs.train.train", stopped)
    for said in (r"Nothing was written\.", r"go on with: contrascope train (\S+) --resume"):
        with pytest.raises(SystemExit) as stop:
            main(["train", "digits-simclr", "-q"])
        assert stop.value.code == 130
        found = re.search(rf"^contrascope: stopped by Ctrl-C\. .*{said}\n$", capsys.readouterr().err)
        assert [str(run) for run in Path("runs").glob("*")] == list(found.groups())


def test_an_end_with_a_code_of_its_own_writes_its_sentence(monkeypatch, capsys):
    def ends(words):
        raise EndedError(3, "it is broken.")

    monkeypatch.setattr(dispatch, "_dispatch", ends)
    with pytest.raises(SystemExit) as stop:
        main(["train", "x"])
    assert stop.value.code == 3
    assert capsys.readouterr().err == "contrascope: it is broken.\n"


def test_a_reader_that_goes_away_ends_the_command_without_a_traceback():
    process = command("train", "digits-simclr", "--print-settings")
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_quiet_leaves_only_the_result_on_stdout(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "digits-simclr", *TINY, "--training.epochs", "1", "--out", str(out), "-q"]) == 0
    said, err = capsys.readouterr()
    assert err == ""
    assert "The run is in" in said
    assert main(["geometry", str(out), "--quiet", "--images", "32", "--draws", "0"]) == 0
    said, err = capsys.readouterr()
    assert err == ""
    assert "All numbers" in said


def test_quiet_still_says_errors(capsys):
    assert main(["evaluate", "convnett", "digits", "--quiet"]) == 2
    assert "Did you mean 'convnet'?" in capsys.readouterr().err


def test_a_named_device_is_the_one_that_computes(tmp_path, capsys):
    out = str(tmp_path / "x.npz")
    assert main(["embed", "convnet", "digits", "--data.split", "test", "--out", out, "--device", "cpu"]) == 0
    run = tmp_path / "run"
    words = [
        "train",
        "digits-simclr",
        *TINY,
        "--training.epochs",
        "1",
        "--out",
        str(run),
        "--device",
        "cpu",
        "-q",
    ]
    assert main(words) == 0
    assert '"device": "cpu"' in (run / "environment.json").read_text()
    capsys.readouterr()


def test_devices_are_found_or_refused_by_name(monkeypatch):
    assert find_device(None) is None
    assert find_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(InputError, match="'cuda:2', but this machine shows torch 2 CUDA devices"):
        find_device("cuda:2")
    with pytest.raises(InputError, match="expected cpu, cuda, cuda:1 or mps"):
        find_device("meta")


def test_a_process_that_trained_alone_is_not_one_of_several(monkeypatch):
    accelerator_on("cpu")
    monkeypatch.setenv("WORLD_SIZE", "2")
    for device in ("cpu", None):
        with pytest.raises(InputError, match="2 processes were started, but accelerate joined 1 of them"):
            accelerator_on(device)


def test_accelerate_computes_where_it_is_told():
    assert accelerator_on("cpu").device.type == "cpu"
    assert NAME not in os.environ
    if accelerator_on(None).device.type == "cpu":
        with pytest.raises(InputError, match="this process already trains on cpu"):
            accelerator_on("meta")
