import torch

import contrascope
from contrascope.data.open import open_images
from contrascope.data.settings import DataSettings


def test_three_blobs_are_three_clusters_the_largest_first():
    source = torch.Generator().manual_seed(0)
    truth = torch.tensor([1] * 50 + [0] * 80 + [2] * 20)
    rows = torch.eye(3)[truth] + 0.05 * torch.randn(150, 3, generator=source)
    found = contrascope.clusters(rows)
    assert found.sizes == (80, 50, 20)
    assert torch.equal(found.cluster, truth)
    assert "k = 3 the smallest of" in found.rule
    typical = found.typical(2, 5)
    assert (truth[typical] == 2).all()
    assert found.cosine[typical[0]] == found.cosine[truth == 2].max()


def test_digits_are_found_again_by_their_pixels():
    images = open_images(DataSettings(source="digits"))
    rows = images.gather(torch.arange(600)).float().flatten(1)
    found = contrascope.clusters(rows, k=12)
    codes = images.labels["digit"][:600]
    right = sum(codes[found.cluster == one].bincount().max().item() for one in range(len(found.sizes)))
    assert right / 600 > 0.75  # a tenth by chance
    assert sum(found.sizes) == 600
