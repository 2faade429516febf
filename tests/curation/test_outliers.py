import pytest
import torch
from torch import nn

import contrascope
from contrascope.curation.outliers import outlier_scores
from contrascope.errors import InputError


@pytest.fixture(scope="module")
def planted():
    """Three hundred scans of digits, and at 100, 200 and 301 noise, a checkerboard and a negative."""
    from contrascope.data.open import open_images
    from contrascope.data.settings import DataSettings

    images = open_images(DataSettings(source="digits")).gather(torch.arange(302))
    images[100] = torch.randint(256, (1, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    images[200] = 255 * (torch.arange(64).view(8, 8) + torch.arange(8)[:, None]).remainder(2).byte()
    images[301] = 255 - images[301]
    return images


def test_planted_outliers_come_first_and_are_far_out(planted):
    found = contrascope.outliers(nn.Flatten(), planted)
    assert set(found.order[:3].tolist()) == {100, 200, 301}
    assert (found.score[found.order[:3]] > found.fence).all()
    assert found.far < 15


def test_the_score_is_the_mean_distance_to_the_nearest():
    rows = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    units = torch.nn.functional.normalize(rows.double())
    distance = (1 - units @ units.T).fill_diagonal_(9).sort(dim=1).values[:, :6].mean(dim=1)
    torch.testing.assert_close(outlier_scores(rows, k=6).double(), distance, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(outlier_scores(5 * rows, k=6), outlier_scores(rows, k=6))


def test_a_group_smaller_than_k_is_far_and_a_larger_one_is_not():
    source = torch.Generator().manual_seed(0)
    many = torch.tensor([1.0, 0.0, 0.0]) + 0.05 * torch.randn(60, 3, generator=source)
    few = torch.tensor([0.0, 1.0, 0.0]) + 0.05 * torch.randn(6, 3, generator=source)
    rows = torch.cat([many, few])
    assert set(contrascope.outliers(rows, k=10).order[:6].tolist()) == set(range(60, 66))
    assert set(contrascope.outliers(rows, k=3).order[:6].tolist()) != set(range(60, 66))


def test_equal_rows_have_no_outlier():
    assert contrascope.outliers(torch.ones(20, 3)).far == 0


def test_no_neighbours_are_refused():
    with pytest.raises(InputError, match="k is 0"):
        contrascope.outliers(torch.eye(4), k=0)
