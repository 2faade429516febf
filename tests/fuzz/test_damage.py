"""Files that a stranger, a crash or an editor left: every reader ends in success or in one sentence."""

import consumers
import pytest
from consumers import KNOWING, READ_BY, fault
from damage import copied, damage
from specimens import weights

from contrascope.reports import page as pages

FEW, ALL = 40, 300


def cases(count):
    """File and number of each mutation: every file in turn."""
    names = list(READ_BY)
    return [(names[place % len(names)], place // len(names)) for place in range(count)]


@pytest.fixture(autouse=True)
def _light(monkeypatch, specimens):
    monkeypatch.setattr(pages, "_plotly", lambda: "/* plotly */")
    monkeypatch.setattr(consumers, "SOURCE", specimens / "pictures.npz")


@pytest.fixture(scope="module")
def expected(specimens):
    return weights(specimens)


def faults(name, number, specimens, expected, place):
    """Lines of what is wrong after one mutation of one file."""
    found, said = [], ""
    for consumer in READ_BY[name]:
        folder = copied(specimens, place / "work")
        path = next(iter(sorted(folder.glob(name))))
        said = damage(path, number)
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
    assert faults(name, number, specimens, expected, tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), cases(ALL)[FEW:])
def test_no_damaged_file_of_many_ends_in_a_traceback(name, number, specimens, expected, tmp_path):
    assert faults(name, number, specimens, expected, tmp_path) == []
