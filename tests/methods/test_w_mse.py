import pytest
import torch
from method_cases import SmallEncoder, clustered_views, small_method

from contrascope.encoders.settings import ProjectorSettings
from contrascope.errors import InputError
from contrascope.losses.cosine import unit_distance
from contrascope.losses.whitening import whitened
from contrascope.methods.build import build_method
from contrascope.methods.joint.w_mse_settings import WMSESettings


def normal(seed, *shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_its_step_is_the_distance_of_whitened_views_and_has_no_spread():
    method = small_method("w_mse").eval()
    views = clustered_views()
    z = torch.stack([method.projector(method.encoder(view)) for view in views])
    terms = method(views).terms
    torch.testing.assert_close(terms.align, unit_distance(torch.stack([whitened(one) for one in z])).align)
    assert terms.spread.item() == 0


def test_sub_batches_are_the_same_for_all_views_and_drawn_anew_in_each_step():
    method = small_method("w_mse", sub_batch=8)
    z = normal(0, 1, 24, 3).expand(2, 24, 3)
    first = method.whitened(z)
    assert torch.equal(first[0], first[1])
    assert torch.equal(first, method.whitened(z))
    method.after_step(0.0)
    second = method.whitened(z)
    assert (second - first).abs().max() > 0.05
    for white in (first, second):
        assert white.mean(1).abs().max() < 1e-9  # each of three parts has the mean zero
        assert (white[0] - whitened(z[0])).abs().max() > 0.05


@pytest.mark.parametrize(("batch", "sizes"), [(7, [7]), (15, [15]), (16, [8, 8]), (27, [9, 9, 9])])
def test_no_image_is_left_out_and_no_part_is_smaller_than_asked_unless_the_batch_is(
    batch, sizes, monkeypatch
):
    from contrascope.methods.joint import w_mse

    seen = []

    def noted(z):
        seen.append(z.shape[1])
        return whitened(z)

    monkeypatch.setattr(w_mse, "whitened", noted)
    method = small_method("w_mse", sub_batch=8)
    white = method.whitened(normal(1, 2, batch, 3))
    assert seen == sizes
    assert white.shape == (2, batch, 3)


def test_images_keep_their_places_when_they_are_put_back():
    method = small_method("w_mse", sub_batch=8)
    z = normal(2, 2, 16, 3)
    white = method.whitened(z)
    moved = z.clone()
    moved[:, 5] += 1e-6
    change = (method.whitened(moved) - white).abs().amax((0, 2))
    assert change.argmax().item() == 5
    assert (change > 1e-9).sum().item() == 8  # the image and the seven it was whitened with


def test_half_precision_of_the_networks_is_raised_before_whitening():
    method = small_method("w_mse")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = method(clustered_views()).terms
    assert terms.align.dtype == torch.float32
    terms.total.backward()
    assert method.encoder.conv.weight.grad.isfinite().all()


def test_too_small_sub_batches_are_refused_when_it_is_built_and_too_small_batches_in_the_step():
    settings = WMSESettings(sub_batch=100, projector=ProjectorSettings(hidden=(), out=64))
    with pytest.raises(InputError, match=r"sub_batch is 100, .* puts out 64 numbers: .* to 128, or .* to 50"):
        build_method(settings, SmallEncoder())
    with pytest.raises(InputError, match="cannot whiten a sub-batch of 5 embeddings of 3 numbers"):
        small_method("w_mse")(clustered_views(batch=5))


def test_a_network_that_collapsed_is_refused_with_the_reason():
    method = small_method("w_mse")
    with torch.no_grad():
        method.projector.layers[-1].weight[1] = 0
    with pytest.raises(InputError, match="16 embeddings of 3 numbers is singular"):
        method(clustered_views())


def test_its_hint_is_the_projectors_width():
    assert "puts out 4 numbers" in WMSESettings().hint("complete collapse", {"z.dim": 4.0}).cause
    assert WMSESettings().hint("not learning", {"z.dim": 4.0}) is None
