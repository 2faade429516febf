"""What is left of a start: by hand, by what must hold, and what cannot be told."""

import pytest
import torch

from contrascope.diagnosis.checks.forgetting import FORGOTTEN, forgetting, told
from contrascope.diagnosis.exhibits import Exhibits, FixedViews, ShownRows
from contrascope.linalg import unit_rows

N, DIM = 200, 6


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def shown(rows, *, noise=0.05):
    """Two views of each row, own and standard ones, with a little noise."""
    views = torch.stack([rows + noise * drawn(place, *rows.shape) for place in (50, 51)])
    return ShownRows(h=views, z=None, standard={"crop": views}, shuffled=views[0].flip(0))


@pytest.fixture(scope="module")
def exhibited():
    pixels = torch.rand(2, N, 1, 4, 4, generator=torch.Generator().manual_seed(9))
    views = FixedViews(images=pixels)
    return Exhibits(own=views, standard={"crop": views}, chosen=torch.arange(N))


START, RANDOM = drawn(0, N, DIM), drawn(1, N, DIM)


def test_an_encoder_that_did_not_move_has_kept_all(exhibited):
    found = forgetting(shown(START), shown(START), RANDOM, exhibited, draws=0)
    assert found.word == "kept"
    assert found.kept.value == pytest.approx(1, abs=1e-9)
    assert found.neighbours.value == 1
    assert found.rank == pytest.approx(1)
    assert found.own.odds.value == found.standard.odds.value == 0


def test_a_turn_of_all_directions_keeps_all(exhibited):
    turn = torch.linalg.qr(drawn(2, DIM, DIM))[0]
    found = forgetting(shown(START @ turn, noise=0), shown(START, noise=0), RANDOM, exhibited, draws=0)
    assert found.kept.value > 0.99
    assert found.word == "kept"


def test_other_rows_keep_nothing(exhibited):
    found = forgetting(shown(drawn(3, N, DIM)), shown(START), RANDOM, exhibited)
    assert found.word == "forgotten"
    assert -0.2 < found.kept.value < 0.2
    assert found.kept.low <= found.kept.value <= found.kept.high
    assert found.neighbours.value == pytest.approx(10 / (N - 1), abs=0.04)
    evidence, after = told(found)
    assert f"below {100 * FORGOTTEN:.0f} % the alarm is raised" in evidence[0]
    assert "--optim.lr" in after


def test_half_of_the_directions_are_half_of_what_was_held(exhibited):
    half = START.clone()
    half[:, DIM // 2 :] = drawn(4, N, DIM // 2)
    found = forgetting(shown(half, noise=0), shown(START, noise=0), RANDOM, exhibited, draws=0)
    assert found.kept.value == pytest.approx(0.5, abs=0.12)


def test_kept_by_hand_with_a_flat_regression(exhibited):
    """Rows that are one constant explain nothing, and kept is minus what random weights explain."""
    start = shown(START, noise=0)
    mixed = unit_rows(START) + 0.5 * RANDOM
    found = forgetting(shown(torch.ones(N, DIM), noise=0), start, mixed, exhibited, draws=0)
    assert found.explained == pytest.approx(0, abs=0.02)
    expected = (found.explained - found.random_explained) / (1 - found.random_explained)
    assert found.kept.value == pytest.approx(expected, abs=0.02)


def test_views_that_are_no_longer_found_raise_the_alarm_though_all_is_kept(exhibited):
    blurred = shown(START)
    apart = torch.stack((START, drawn(5, N, DIM)))
    now = ShownRows(h=apart, z=None, standard={"crop": apart}, shuffled=blurred.shuffled)
    found = forgetting(now, blurred, RANDOM, exhibited, draws=0)
    assert found.kept.value > 0.9
    assert found.word == "forgotten"
    assert found.standard.odds.value < -1


def test_what_cannot_be_told(exhibited):
    found = forgetting(shown(START), shown(START), START, exhibited, draws=0)
    assert (found.word, found.reason) == ("cannot be told", "random weights tell as much as the start")
    bad = START.clone()
    bad[3, 0] = float("nan")
    found = forgetting(shown(bad), shown(START), RANDOM, exhibited, draws=0)
    assert (found.word, found.reason, found.kept) == ("cannot be told", "values that are not finite", None)
    few = FixedViews(images=exhibited.own.images[:, :20])
    small = Exhibits(own=few, standard={"crop": few}, chosen=torch.arange(20))
    found = forgetting(shown(START[:20]), shown(START[:20]), RANDOM[:20], small, draws=0)
    assert (found.word, found.reason) == ("cannot be told", "fewer than 50 images")


def test_without_a_random_twin_the_share_itself_is_kept(exhibited):
    found = forgetting(shown(START), shown(START), None, exhibited, draws=0)
    assert found.word == "kept"
    assert found.random_explained is None
    assert found.random_neighbours is None
