import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from contrascope.errors import InputError
from contrascope.theory.factors import pseudo as module
from contrascope.theory.factors.pseudo import pseudo_classes


def world(classes, n=600, dim=16, noise=0.3, seed=0):
    source = torch.Generator().manual_seed(seed)
    y = torch.randint(classes, (n,), generator=source)
    mu = torch.randn(classes, dim, generator=source)
    return mu[y] + noise * torch.randn(n, dim, generator=source), y


@pytest.mark.parametrize("classes", [2, 3, 5, 10, 20])
def test_the_rule_finds_the_number_of_well_separated_clusters(classes):
    h, y = world(classes, n=1500, dim=32)
    found = pseudo_classes(h)
    assert found.k == classes
    assert adjusted_rand_score(y, found.labels) > 0.95
    assert f"k = {classes} the smallest of 13 candidates" in found.rule


@pytest.mark.parametrize("seed", range(4))
def test_the_rule_finds_about_ten_digits_in_raw_scans(seed):
    data = load_digits()
    found = pseudo_classes(torch.tensor(data.data), seed=seed)
    assert 8 <= found.k <= 12
    assert adjusted_rand_score(data.target, found.labels) > 0.5


def test_noise_without_clusters_gives_the_smallest_candidate():
    h = torch.randn(3000, 64, generator=torch.Generator().manual_seed(0))
    assert pseudo_classes(h).k == 2


def test_every_row_is_with_its_nearest_cluster_centre_and_the_silhouettes_follow_the_definition(monkeypatch):
    h, _ = world(4, n=80, dim=3)
    fits = []
    fit = module.k_means
    monkeypatch.setattr(
        module, "k_means", lambda rows, k, **how: fits.append((rows, fit(rows, k, **how))) or fits[-1][1]
    )
    found = pseudo_classes(h)
    unit = h / h.norm(dim=1, keepdim=True)
    rows, centres = fits[-1]
    torch.testing.assert_close(rows, unit)
    nearest = [min(range(found.k), key=lambda k: (row - centres[k]).square().sum().item()) for row in unit]
    assert found.labels.tolist() == nearest
    part, candidate = fits[0]
    held_out = [row for row in unit if not (part - row).abs().sum(dim=1).le(1e-6).any()]
    assert len(held_out) == 40 == len(part)
    total = 0.0
    for row in held_out:
        a, b = sorted((row - c).norm().item() for c in candidate)[:2]
        total += 1 - a / b
    assert found.silhouettes[2] == pytest.approx(total / 40, abs=1e-5)


@settings(derandomize=True, deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**31 - 1), scale=st.floats(0.01, 100))
def test_the_length_of_rows_does_not_matter_and_the_seed_decides(seed, scale):
    h, _ = world(3, n=60, seed=seed % 1000)
    found = pseudo_classes(h, k=3, seed=seed)
    lengths = scale * (1 + torch.arange(60.0)[:, None] % 4)
    assert adjusted_rand_score(found.labels, pseudo_classes(h * lengths, k=3, seed=seed).labels) == 1
    assert torch.equal(found.labels, pseudo_classes(h, k=3, seed=seed).labels)


def test_labels_are_the_same_for_any_block_size_and_for_float64():
    h, _ = world(5)
    found = pseudo_classes(h)
    assert torch.equal(found.labels, pseudo_classes(h, block_rows=7).labels)
    assert torch.equal(found.labels, pseudo_classes(h.double()).labels)


def test_above_the_sample_the_other_rows_are_assigned():
    h, y = world(3, n=900)
    found = pseudo_classes(h, sample=90)
    assert found.rule.endswith("fitted on 90 of 900 rows")
    assert adjusted_rand_score(y, found.labels) > 0.95


def test_a_given_k_is_kept_and_said():
    found = pseudo_classes(world(3)[0], k=7)
    assert (found.k, found.silhouettes) == (7, {})
    assert found.labels.unique().tolist() == list(range(7))
    assert found.rule.startswith("pseudo-classes: k-means with the given k = 7")


@pytest.mark.parametrize("value", [0.0, 0.1, -5.0])
def test_constant_features_are_one_cluster(value):
    found = pseudo_classes(torch.full((9, 4), value), k=3)
    assert (found.k, found.labels.tolist()) == (1, [0] * 9)
    assert found.rule == "pseudo-classes: all rows are equal"


def test_duplicates_give_as_many_clusters_as_there_are_distinct_rows():
    h = torch.eye(3)[torch.arange(30) % 3]
    assert pseudo_classes(h).k == 3
    found = pseudo_classes(h, k=8)
    assert found.k == 3
    assert "3 of 8 clusters are in use" in found.rule
    assert adjusted_rand_score(torch.arange(30) % 3, found.labels) == 1


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7])
def test_a_handful_of_rows_is_two_clusters(n):
    h = torch.randn(n, 3, generator=torch.Generator().manual_seed(n))
    assert pseudo_classes(h).k == 2


def test_too_few_rows_wrong_k_and_nan_are_refused():
    with pytest.raises(InputError, match=r"clusters of \(1, 3\) features; expected at least 2 rows"):
        pseudo_classes(torch.ones(1, 3))
    with pytest.raises(InputError, match=r"k=4 clusters of 3 rows; choose 1 <= k <= 3"):
        pseudo_classes(torch.eye(3), k=4)
    with pytest.raises(InputError, match=r"sample=2 rows for k=3"):
        pseudo_classes(torch.eye(3), k=3, sample=2)
    with pytest.raises(InputError, match="h: row 1 holds a non-finite value"):
        pseudo_classes(torch.tensor([[1.0], [math.nan]]))
