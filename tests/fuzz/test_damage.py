"""Files that a stranger, a crash or an editor left: every reader ends in success or in one sentence."""

import random
from collections import Counter

import consumers
import pytest
from consumers import KNOWING, READ_BY, fault
from damage import copied, damage
from safetensors import SafetensorError
from specimens import weights

from contrascope.errors import InputError
from contrascope.features.sealed import read_sealed
from contrascope.reports import page as pages
from contrascope.runs.load import load_run

FEW, ALL = 40, 300


OFTEN = {"checkpoints": 3, "policy.json": 2, "pair.json": 2, "settings.json": 2, "segments.json": 2}
"""Files that are changed more often than once in a round, by a part of their name."""


def cases(count):
    """File and number of each mutation: every file in turn."""
    often = {
        name: max([times for part, times in OFTEN.items() if part in name], default=1) for name in READ_BY
    }
    names = [name for turn in range(3) for name, times in often.items() if turn < times]
    seen = Counter()
    found = []
    for place in range(count):
        name = names[place % len(names)]
        found.append((name, seen[name]))
        seen[name] += 1
    return found


@pytest.fixture(autouse=True)
def _light(monkeypatch, specimens):
    monkeypatch.setattr(pages, "_plotly", lambda: "/* plotly */")
    monkeypatch.setattr(consumers, "SOURCE", specimens / "pictures.npz")


@pytest.fixture(scope="module")
def expected(specimens):
    return weights(specimens)


def faults(name, number, readers, specimens, expected, place):
    """Lines of what is wrong after one mutation of one file."""
    found, said = [], ""
    for consumer in readers:
        folder = copied(specimens, place / "work")
        said = damage(next(iter(sorted(folder.glob(name)))), number)
        why = fault(consumer, folder, expected)
        if why:
            found.append(f"{name} #{number} ({said}): {consumer.__name__}: {why}")
    return found


@pytest.mark.slow
def test_undamaged_everything_is_read(specimens, expected, tmp_path):
    for consumer in dict.fromkeys(one for readers in READ_BY.values() for one in readers):
        folder = copied(specimens, tmp_path / "work")
        found = consumer(folder, expected) if consumer in KNOWING else consumer(folder)
        assert found in (None, 0, 3), (consumer.__name__, consumer.said)
    for name in READ_BY:
        assert list(specimens.glob(name)), name


@pytest.mark.parametrize(("name", "number"), cases(FEW))
def test_a_damaged_file_ends_in_success_or_one_sentence(name, number, specimens, expected, tmp_path):
    quick = [one for one in READ_BY[name] if one not in consumers.LONG]
    reader = quick[(number + list(READ_BY).index(name)) % len(quick)]  # another one for every file
    assert faults(name, number, [reader], specimens, expected, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), cases(ALL))
def test_no_reader_of_any_damaged_file_ends_in_a_traceback(name, number, specimens, expected, tmp_path):
    assert faults(name, number, READ_BY[name], specimens, expected, tmp_path) == []


def flips(content, count, seed):
    """The content with one bit changed, at `count` places."""
    draw = random.Random(seed)
    for place in draw.sample(range(len(content)), min(count, len(content))):
        yield place, content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]


@pytest.mark.parametrize("count", [8, pytest.param(400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["state.json", "method.safetensors", "optimizer.safetensors"])
def test_no_changed_bit_of_a_checkpoint_is_accepted(name, count, specimens, expected, tmp_path):
    run = copied(specimens, tmp_path / "work") / "run"
    path = run / "checkpoints" / "step-00000009" / name
    whole = path.read_bytes()
    assert load_run(run).step == 9
    for place, changed in flips(whole, count, seed=name):
        path.write_bytes(changed)
        found = load_run(run)
        assert found.step == 6, place
        consumers.same(found.method.state_dict(), expected[6])


@pytest.mark.parametrize("count", [8, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["export/model.safetensors", "features.safetensors", "run/features/*"])
def test_no_changed_bit_of_tensors_that_carry_a_sum_is_accepted(name, count, specimens, tmp_path):
    path = next(iter(sorted(copied(specimens, tmp_path / "work").glob(name))))
    whole, (tensors, _) = path.read_bytes(), read_sealed(path)
    for place, changed in flips(whole, count, seed=name):
        path.write_bytes(changed)
        try:
            found, _ = read_sealed(path)
        except (InputError, SafetensorError):
            continue
        consumers.same(found, tensors)  # the header's own words, such as the name of the sum
        assert place < 8 + int.from_bytes(whole[:8], "little")
