import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from contrascope.draws import DrawKey, integers, normal, philox, to_integers, uniform, words
from contrascope.errors import InputError

FULL = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ([FULL] * 4, (FULL, FULL), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_known_answers(counter, key, expected):
    random = philox(torch.tensor(counter)[:, None], key)
    assert " ".join(f"{word:08x}" for word in random[:, 0].tolist()) == expected


def slow_philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(right >> 32) ^ c[1] ^ k[0], right & FULL, (left >> 32) ^ c[3] ^ k[1], left & FULL]
        k = [(k[0] + 0x9E3779B9) & FULL, (k[1] + 0xBB67AE85) & FULL]
    return c


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**32 - 1),
    image=st.integers(0, 2**48 - 1),
    view=st.integers(0, 2**16 - 1),
    operation=st.integers(0, 255),
)
def test_words_are_philox_of_all_parts_of_the_key(seed, epoch, image, view, operation):
    key = DrawKey(seed=seed, epoch=epoch, ids=torch.tensor([image]), view=view, operation=operation)
    expected = []
    for block in range(2):
        counter = [operation << 24 | block, image & FULL, epoch, view << 16 | image >> 32]
        expected += slow_philox(counter, (seed & FULL, seed >> 32))
    assert words(key, 8)[0].tolist() == expected


@pytest.mark.parametrize("part", ["seed", "epoch", "view", "operation", "ids"])
def test_every_part_of_the_key_changes_the_draws(part):
    parts = {"seed": 5, "epoch": 5, "view": 5, "operation": 5, "ids": torch.tensor([5])}
    changed = parts | {part: parts[part] + 1}
    assert (words(DrawKey(**parts), 16) != words(DrawKey(**changed), 16)).all()


@settings(derandomize=True, deadline=None, max_examples=15)
@given(start=st.integers(0, 9), count=st.integers(1, 9))
def test_a_stream_is_the_same_wherever_reading_starts(start, count):
    key = DrawKey(seed=1, epoch=2, ids=torch.arange(3))
    assert torch.equal(words(key, 18)[:, start : start + count], words(key, count, start=start))


def test_views_may_be_one_per_image():
    ids, views = torch.arange(4), torch.tensor([0, 1, 0, 7])
    together = uniform(DrawKey(seed=0, epoch=0, ids=ids, view=views), 3)
    for image, view in zip(ids, views.tolist(), strict=True):
        alone = uniform(DrawKey(seed=0, epoch=0, ids=image[None], view=view), 3)
        assert torch.equal(together[image], alone[0])


def test_uniform_and_normal_numbers_follow_their_laws():
    key = DrawKey(seed=3, epoch=0, ids=torch.arange(5000))
    assert stats.kstest(uniform(key, 4).flatten().numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(normal(key, 4).flatten().numpy(), "norm").pvalue > 1e-3
    assert uniform(key, 4).max() < 1


def test_neighbouring_ids_and_draws_are_uncorrelated():
    table = uniform(DrawKey(seed=0, epoch=0, ids=torch.arange(20_000)), 4).double()
    table -= table.mean(0)
    neighbours = (table[1:] * table[:-1]).mean(0) / table.var(0)
    draws = torch.corrcoef(table.T).fill_diagonal_(0)
    assert neighbours.abs().max() < 0.03
    assert draws.abs().max() < 0.03


def test_integers_are_uniform_up_to_their_bound():
    counts = integers(DrawKey(seed=0, epoch=0, ids=torch.arange(6000)), 4, 6).flatten().bincount()
    assert len(counts) == 6
    assert stats.chisquare(counts.numpy()).pvalue > 1e-3
    assert to_integers(torch.tensor([FULL]), 2**31 - 1).item() == 2**31 - 2


def test_a_key_out_of_range_is_refused_by_name():
    with pytest.raises(InputError, match=r"seed is -1; expected an integer in \[0, 2\*\*64\)"):
        DrawKey(seed=-1, epoch=0, ids=torch.arange(1))
    with pytest.raises(InputError, match="view is 65536"):
        DrawKey(seed=0, epoch=0, ids=torch.arange(1), view=65536)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cpu_and_gpu_draw_the_same_bits():
    ids = torch.arange(10_000)
    cpu, gpu = (DrawKey(seed=9, epoch=1, ids=ids.to(device)) for device in ("cpu", "cuda"))
    assert torch.equal(words(cpu, 8), words(gpu, 8).cpu())
    assert torch.equal(uniform(cpu, 8), uniform(gpu, 8).cpu())
    assert (normal(cpu, 4) != normal(gpu, 4).cpu()).sum() <= 4
