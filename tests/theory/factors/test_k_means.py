import pytest
import torch
from sklearn.cluster import KMeans

from contrascope.errors import InputError
from contrascope.linalg import squared_distances
from contrascope.theory.factors.k_means import k_means, lloyd, plus_plus


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(k=6, n=300, dim=5, noise=0.4, seed=1):
    drawn = source(seed)
    return torch.randn(k, dim, generator=drawn)[torch.arange(n) % k] + noise * torch.randn(
        n, dim, generator=drawn
    )


def inertia(rows, centres):
    return squared_distances(rows, centres).min(dim=1).values.sum().item()


@pytest.mark.parametrize("k", [2, 6, 15])
def test_from_the_same_start_the_centres_are_those_of_scikit_learn(k):
    rows = blobs().double()
    start = rows[torch.randperm(300, generator=source(k))[:k]]
    theirs = KMeans(k, init=start.numpy(), n_init=1, max_iter=100, algorithm="lloyd").fit(rows.numpy())
    torch.testing.assert_close(
        lloyd(rows, start), torch.from_numpy(theirs.cluster_centers_), atol=1e-2, rtol=0
    )
    assert inertia(rows, lloyd(rows, start)) == pytest.approx(theirs.inertia_, rel=1e-3)


@pytest.mark.parametrize(
    "rows", [blobs(), blobs(noise=3.0), blobs(k=30, n=900)], ids=["clear", "noise", "many"]
)
@pytest.mark.parametrize("k", [3, 30])
def test_the_clusters_are_as_tight_as_those_of_scikit_learn(rows, k):
    theirs = KMeans(k, n_init=4, random_state=0).fit(rows.numpy()).inertia_
    assert inertia(rows, k_means(rows, k, source=source(), starts=4)) <= 1.03 * theirs


def test_more_starts_are_no_worse_and_the_seed_decides():
    rows = blobs(noise=2.0)
    one, four = (inertia(rows, k_means(rows, 20, source=source(), starts=starts)) for starts in (1, 4))
    assert four < one
    assert torch.equal(k_means(rows, 20, source=source()), k_means(rows, 20, source=source()))
    assert not torch.equal(k_means(rows, 20, source=source()), k_means(rows, 20, source=source(1)))


def test_a_start_is_of_rows_and_takes_distant_ones_first():
    rows = torch.cat((torch.zeros(50, 2), torch.ones(50, 2), torch.tensor([[9.0, 9.0]])))
    for seed in range(5):
        start = plus_plus(rows, 3, source=source(seed))
        assert sorted(start[:, 0].tolist()) == [0.0, 1.0, 9.0]


def test_as_many_clusters_as_rows_are_the_rows_and_duplicates_coincide():
    rows = blobs(n=12)
    assert inertia(rows, k_means(rows, 12, source=source())) == pytest.approx(0, abs=1e-5)
    centres = k_means(torch.eye(3).repeat(5, 1), 7, source=source())
    assert centres.unique(dim=0).shape == (3, 3)


def test_a_shift_of_all_rows_shifts_the_centres():
    rows = blobs()
    here = k_means(rows, 6, source=source(), starts=4)
    there = k_means(rows + 1000, 6, source=source(), starts=4)
    torch.testing.assert_close(there - 1000, here, atol=2e-3, rtol=0)


@pytest.mark.parametrize("k", [0, 4])
def test_wrong_k_is_refused(k):
    with pytest.raises(InputError, match=f"k={k} clusters of 3 rows"):
        k_means(torch.eye(3), k, source=source())
