"""DeepCluster-v2: k-means by hand and by loops, the bank, the first pass, the loss, empty clusters, refusals."""

import copy
import math

import pytest
import torch
from method_cases import SmallEncoder, clustered_views, small_settings
from torch.nn import functional as F

from contrascope.draws import DrawKey, permutation
from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.cluster.deepcluster import of_clusters
from contrascope.methods.cluster.deepcluster_settings import DeepClusterSettings
from contrascope.methods.cluster.spherical import nearest_cluster, spherical_k_means
from contrascope.methods.views import ViewBatch


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def deepcluster(**changes):
    torch.manual_seed(0)
    return build_method(small_settings("deepcluster_v2", **{"local_views": 0, **changes}), SmallEncoder())


def crops(*, large=2, small=0, batch=16, seed=0, first=0, dtype=torch.float32):
    images = clustered_views(views=large + small, batch=batch, seed=seed, dtype=dtype)
    groups = (images[:large], images[large:, ..., :5, :5])[: 1 + bool(small)]
    return ViewBatch(groups=groups, ids=torch.arange(first, first + batch))


def begin(method, *views, epoch=0, images=None):
    total = sum(one.size for one in views) if images is None else images
    method.before_epoch(epoch, images=total, look=lambda: iter(views))
    return method


def by_loops(rows, start, iterations):
    """Spherical k-means, one number after another."""
    rows = [[v / sum(x * x for x in row) ** 0.5 for v in row] for row in rows.tolist()]
    centroids = [[v / sum(x * x for x in row) ** 0.5 for v in row] for row in start.tolist()]

    def assigned():
        cosines = [[sum(a * b for a, b in zip(row, c, strict=True)) for c in centroids] for row in rows]
        return [max(range(len(centroids)), key=lambda k: row[k]) for row in cosines]

    for _ in range(iterations):
        clusters = assigned()
        for k in range(len(centroids)):
            mine = [row for row, cluster in zip(rows, clusters, strict=True) if cluster == k]
            if mine:
                total = [sum(values) for values in zip(*mine, strict=True)]
                centroids[k] = [v / sum(x * x for x in total) ** 0.5 for v in total]
    return centroids, assigned()


@pytest.mark.parametrize("iterations", [0, 1, 10])
def test_k_means_is_that_of_the_loops(iterations):
    rows, start = normal(0, 40, 3), normal(1, 7, 3)
    centroids, clusters = spherical_k_means(rows, start, iterations=iterations)
    expected, theirs = by_loops(rows, start, iterations)
    torch.testing.assert_close(centroids, torch.tensor(expected, dtype=torch.float64))
    assert clusters.tolist() == theirs


def test_k_means_by_hand():
    rows = torch.tensor([[2.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    centroids, clusters = spherical_k_means(rows, torch.eye(2), iterations=1)
    # the second row is nearer to (0, 1): (0.6, 1.8) / sqrt(3.6)
    torch.testing.assert_close(centroids, torch.tensor([[1.0, 0.0], [0.31623, 0.94868]]), rtol=0, atol=1e-5)
    assert clusters.tolist() == [0, 1, 1]


def test_an_empty_cluster_and_one_whose_rows_cancel_keep_their_centroid():
    rows = torch.tensor([[1.0, 0.0], [0.9, 0.1]])
    start = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    centroids, clusters = spherical_k_means(rows, start, iterations=5)
    assert torch.equal(centroids[1], start[1])
    assert clusters.tolist() == [0, 0]
    opposite = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    assert torch.equal(spherical_k_means(opposite, torch.eye(2)[:1], iterations=3)[0], torch.eye(2)[:1])


def test_k_means_in_blocks_is_that_in_one(monkeypatch):
    rows, start = normal(2, 50, 4), normal(3, 5, 4)
    whole = spherical_k_means(rows, start, iterations=4)
    monkeypatch.setattr("contrascope.losses.blocks.BLOCK_FLOATS", 35)  # 7 rows
    parts = spherical_k_means(rows, start, iterations=4)
    torch.testing.assert_close(parts[0], whole[0])
    assert torch.equal(parts[1], whole[1])


def test_the_loss_by_hand():
    scores = torch.tensor([[[1.0, 0.0, 0.0]], [[0.0, 0.5, 0.0]]])
    terms = of_clusters(scores, torch.tensor([0]), temperature=0.5)
    first = math.log(math.exp(2) + 2) - 2
    second = math.log(math.exp(1) + 2)
    assert terms.total.item() == pytest.approx((first + second) / 2)
    assert terms.align.item() == pytest.approx(-1)
    # an image without a cluster costs nothing and counts
    both = of_clusters(scores.expand(-1, 2, -1), torch.tensor([0, -1]), temperature=0.5)
    assert both.total.item() == pytest.approx((first + second) / 4)
    assert both.align[1].item() == 0


def test_a_first_pass_without_a_step_fills_the_bank_and_local_crops_do_not_enter_it():
    method, one, two = deepcluster(local_views=3), crops(small=3), crops(small=3, seed=1, first=16)
    weights = {key: value.clone() for key, value in method.named_parameters()}
    copied = copy.deepcopy(method)
    begin(method, one, two)
    for key, value in method.named_parameters():
        assert torch.equal(value, weights[key]), key
    for views in (one, two):
        h = copied.encoder(views.groups[0].flatten(0, 1))
        z = F.normalize(copied.projector(h), dim=1).unflatten(0, (2, 16))
        torch.testing.assert_close(method.bank[:, views.ids], z.detach())
    assert method.clusters.min() >= 0


def test_heads_cluster_the_large_crops_in_turn_from_images_drawn_by_epoch():
    method = begin(deepcluster(prototypes=(6, 4, 3)), crops(batch=32))
    for epoch in (0, 1):
        begin(method, epoch=epoch, images=32)
        parts = method.centroids.split([6, 4, 3])
        for head, (found, count) in enumerate(zip(parts, (6, 4, 3), strict=True)):
            rows = method.bank[head % 2]
            key = DrawKey(seed=0, epoch=epoch, ids=torch.arange(32), operation=head)
            expected, clusters = spherical_k_means(rows, rows[permutation(key)[:count]], iterations=10)
            torch.testing.assert_close(found, expected)
            assert torch.equal(method.clusters[head], clusters)
            assert torch.equal(clusters, nearest_cluster(rows, expected))


def test_the_loss_is_the_mean_over_crops_and_heads_against_last_epochs_clusters():
    method, views = deepcluster(local_views=3), crops(small=3)
    begin(method, views)
    clusters, centroids = method.clusters.clone(), method.centroids.split([6, 4])
    frozen = copy.deepcopy(method)
    later = crops(small=3, seed=4)
    h = [torch.cat(list(group)) for group in later.groups]
    z = F.normalize(frozen.projector(torch.cat([frozen.encoder(one) for one in h])), dim=1)
    total = 0.0
    for head in range(2):
        for crop in z.double().unflatten(0, (5, 16)):
            logits = crop @ centroids[head].double().T / 0.1
            for image in range(16):
                total -= logits[image].log_softmax(0)[clusters[head, image]].item() / (2 * 5 * 16)
    output = method(later)
    assert output.terms.total.item() == pytest.approx(total, rel=1e-5)
    assert output.h.shape == (2, 16, 8)
    assert output.z.shape == (2, 16, 6)


def test_centroids_and_clusters_stay_within_an_epoch_and_the_bank_follows_each_step():
    method, views = deepcluster(), crops()
    begin(method, views)
    before = {key: value.clone() for key, value in method.named_buffers()}
    output = method(crops(seed=5))
    assert torch.equal(method.bank, before["bank"])
    method.after_step(0.1)
    torch.testing.assert_close(method.bank, F.normalize(output.z, dim=-1))
    for key in ("centroids", "clusters"):
        assert torch.equal(dict(method.named_buffers())[key], before[key]), key
    begin(method, epoch=1, images=16)
    assert not torch.equal(method.centroids, before["centroids"])


def test_images_that_no_epoch_has_shown_have_no_cluster_and_are_no_part_of_k_means():
    method = begin(deepcluster(), crops(), images=20)
    assert (method.clusters[:, 16:] == -1).all()
    assert (method.clusters[:, :16] >= 0).all()
    whole = begin(deepcluster(), crops(), images=16)
    assert torch.equal(method.centroids, whole.centroids)
    late = ViewBatch(groups=crops().groups, ids=torch.arange(4, 20))
    terms = method(late).terms
    assert (terms.align[12:] == 0).all()
    assert (terms.align[:12] != 0).all()
    method.after_step(0.1)
    begin(method, epoch=1, images=20)
    assert (method.clusters >= 0).all()


def test_gradients_are_those_of_finite_differences_and_reach_no_centroid():
    method = deepcluster().double()
    begin(method, crops(dtype=torch.float64))
    views, weight = crops(seed=3, dtype=torch.float64), method.projector.layers[0].weight
    method(views).terms.total.backward()
    assert not method.centroids.requires_grad
    direction = normal(4, *weight.shape)
    with torch.no_grad():
        weight += 1e-6 * direction
        above = method(views).terms.total
        weight -= 2e-6 * direction
        below = method(views).terms.total
    assert ((above - below) / 2e-6).item() == pytest.approx((weight.grad * direction).sum().item(), rel=1e-4)


def test_parts_of_a_batch_give_the_gradient_and_the_bank_of_the_whole():
    whole, views = deepcluster().double(), crops(dtype=torch.float64)
    begin(whole, views)
    for module in whole.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    cut = copy.deepcopy(whole)
    assert cut.accumulation == "exact"
    assert "batch norm (encoder.norm" in deepcluster().accumulation_problem()
    whole(views).terms.total.backward()
    for first in range(0, 16, 4):
        part = ViewBatch(groups=(views.only[:, first : first + 4],), ids=views.ids[first : first + 4])
        (cut(part).terms.total / 4).backward()
    for (key, p), q in zip(whole.named_parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-9, atol=1e-12, msg=key)
    whole.after_step(0.5)
    cut.after_step(0.5)
    torch.testing.assert_close(cut.bank, whole.bank)


def test_a_fresh_method_takes_the_bank_of_a_checkpoint_and_no_other_width():
    method = begin(deepcluster(), crops(batch=24))
    fresh = deepcluster()
    fresh.load_state_dict(method.state_dict())
    assert fresh.bank.shape == (2, 24, 6)
    assert all(torch.equal(value, fresh.state_dict()[key]) for key, value in method.state_dict().items())
    state = method.state_dict() | {"bank": torch.zeros(2, 24, 5)}
    with pytest.raises(RuntimeError, match="size mismatch for bank"):
        deepcluster().load_state_dict(state)
    state = method.state_dict() | {"clusters": torch.zeros(3, 24, dtype=torch.int64)}
    with pytest.raises(RuntimeError, match="size mismatch for clusters"):
        deepcluster().load_state_dict(state)


def test_the_bank_is_filled_once_and_anew_for_another_set():
    method = begin(deepcluster(), crops(batch=16))

    def never():
        raise AssertionError("the bank is full")

    method.before_epoch(1, images=16, look=never)
    begin(method, crops(batch=24), epoch=2)
    assert method.bank.shape[1] == 24


def test_evaluation_changes_no_state():
    method = begin(deepcluster(), crops()).eval()
    before = copy.deepcopy(method.state_dict())
    method(crops(seed=2))
    method.after_step(0.0)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


def test_what_cannot_be_clustered_is_refused():
    with pytest.raises(InputError, match="no clusters yet; call before_epoch"):
        deepcluster()(crops())
    with pytest.raises(InputError, match="17 clusters cannot be made of 16 images"):
        begin(deepcluster(prototypes=(17,)), crops())
    with pytest.raises(InputError, match=r"bank of 2 x 1000000 embeddings takes 0.048 GB, more than"):
        begin(deepcluster(bank_gb=0.04), crops(), images=1_000_000)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prototypes": ()}, "prototypes must be one number or more"),
        ({"prototypes": (5, 1)}, "each at least 2"),
        ({"iterations": 0}, "iterations at least 1"),
        ({"bank_gb": 0.0}, "bank_gb is 0"),
        ({"temperature": -1.0}, "temperature is -1"),
        ({"local_views": -1}, "local_views must be at least 0"),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        deepcluster(**changes)


def test_its_hints_name_its_own_settings():
    assert "There are 4 clusters" in DeepClusterSettings(prototypes=(4, 3)).hint("cluster collapse", {}).cause
    assert "temperature 50" in DeepClusterSettings(temperature=50.0).hint("not learning", {}).cause
    assert DeepClusterSettings().hint("complete collapse", {"z.dim": 128.0}) is None
