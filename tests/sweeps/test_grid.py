import pytest
from sweep_cases import grid, settings

from contrascope.errors import InputError
from contrascope.runs.settings import RunSettings
from contrascope.sweeps.grid import Axis, flags, grown, label, make_grid, name_of, read_axes


def test_all_settings_of_a_seed_come_before_the_next_seed_wherever_the_seeds_are_named():
    found = [(one.seed, one.values["method.temperature"]) for one in grid().trials]
    assert found == [("0", "0.1"), ("0", "0.2"), ("1", "0.1"), ("1", "0.2")]
    assert [one.path for one in read_axes(["optim.lr=1,2", "training.seed=0"])] == [
        "training.seed",
        "optim.lr",
    ]
    assert [one.settings.training.seed for one in grid().trials] == [0, 0, 1, 1]


def test_without_an_axis_of_seeds_every_trial_has_the_seed_of_the_settings():
    found = grid(seeds=(), base=settings(seed=7)).trials
    assert [(one.name, one.seed) for one in found] == [
        ("seed=7-temperature=0.1", "7"),
        ("seed=7-temperature=0.2", "7"),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a sweep needs a grid; add --grid PATH=VALUE,VALUE"),
        (["optim.lr"], "--grid 'optim.lr' names no values"),
        (["optim.lr="], "--grid 'optim.lr=' names no values"),
        (["=1"], "--grid '=1' names no values"),
        (["optim.lr=0.1,,0.2"], "has an empty value"),
        (["optim.lr=0.1", "--optim.lr=0.2"], "--grid names optim.lr twice"),
    ],
)
def test_words_that_are_no_grid_are_refused(words, said):
    with pytest.raises(InputError) as error:
        read_axes(words)
    assert said in str(error.value)


def test_a_value_with_a_comma_stands_between_quotes():
    (axis,) = read_axes(['data.labels="fine,coarse",fine'])
    assert axis.values == ("fine,coarse", "fine")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("training.sed", "there is no such setting. Did you mean 'training.seed'?"),
        (
            "method.projector",
            "that is a group of settings; name one of them, such as method.projector.hidden",
        ),
        ("optim.qqqqqqqq", "Known: optim."),
    ],
)
def test_an_unknown_path_is_refused_with_the_nearest(path, said):
    with pytest.raises(InputError) as error:
        make_grid([Axis(path=path, values=("1",))], settings(), lambda words: settings())
    assert said in str(error.value)


def test_values_that_are_one_and_values_that_change_nothing_are_refused():
    with pytest.raises(InputError, match=r"0\.1 and 0\.10 are one value"):
        grid(("0.1", "0.10"))
    with pytest.raises(InputError, match="are one value"):
        make_grid([Axis(path="optim.lr", values=("1", "2"))], settings(), lambda words: settings())
    with pytest.raises(InputError, match="change nothing"):
        make_grid([Axis(path="method", values=("simclr", "moco"))], settings(), lambda words: settings())


def test_too_many_trials_are_refused_before_any_is_read():
    axes = [Axis(path="training.seed", values=tuple(map(str, range(1001))))]
    with pytest.raises(InputError, match="1,001 trials"):
        make_grid(axes, settings(), lambda words: pytest.fail("read"))


def test_flags_are_those_of_the_command_line():
    values = {
        "training.compile": "false",
        "method": "vicreg",
        "method.projector.hidden": "8 8",
        "optim.lr": "-1",
    }
    found = flags(values, RunSettings())
    assert found[0] == "--method=vicreg"
    assert found[1:] == ["--training.no-compile", "--method.projector.hidden", "8", "8", "--optim.lr=-1"]
    with pytest.raises(InputError, match="expected true or false"):
        flags({"training.compile": "yes"}, RunSettings())


def test_paths_that_end_alike_are_told_apart_and_names_are_one_folder():
    assert label({"encoder.name": "a", "policy.name": "b"}) == "encoder.name=a policy.name=b"
    assert name_of("0", {"data.source": "../../etc"}) == "seed=0-source=.._.._etc"


def test_a_grid_grows_by_values_and_not_by_settings():
    one, two = Axis(path="optim.lr", values=("1", "2")), Axis(path="optim.lr", values=("3", "1"))
    assert grown([one], [two])[0].values == ("1", "2", "3")
    with pytest.raises(InputError, match=r"varies optim\.lr, and this one training\.seed"):
        grown([one], [Axis(path="training.seed", values=("0",))])
