"""MAE: masks by key, patches and loss by hand and by loops, what the encoder sees, U-MAE's spread."""

import copy

import pytest
import torch
from method_cases import SmallEncoder, clustered_views, small_settings
from torch import nn
from torch.nn import functional as F

from contrascope.draws import DrawKey, uniform
from contrascope.encoders.build import build_encoder
from contrascope.encoders.settings import EncoderSettings
from contrascope.encoders.vit import sine_positions
from contrascope.errors import InputError
from contrascope.methods.build import build_method
from contrascope.methods.pretext.mae import mean_square_product, patches_of, standardised
from contrascope.methods.pretext.mae_settings import MAESettings
from contrascope.methods.views import ViewBatch


def mae(*, channels=1, size=6, patch=2, **changes):
    torch.manual_seed(0)
    settings = EncoderSettings(name="vit-tiny", width=8, depth=2, heads=2, patch=patch)
    encoder = build_encoder(settings, channels=channels, size=size)
    return build_method(small_settings("mae", **{"mask_ratio": 0.6, **changes}), encoder)


def key(ids=16, *, epoch=0):
    return DrawKey(seed=3, epoch=epoch, ids=torch.arange(ids))


def masked(method, *, batch=16, seed=0, dtype=torch.float32, channels=1):
    views = clustered_views(views=1, batch=batch, seed=seed, dtype=dtype).expand(-1, -1, channels, -1, -1)
    mask = method.mask(views[0], key(batch))[None]
    return ViewBatch(groups=(views,), ids=torch.arange(batch), masks=(mask,))


def part_of(views, mine):
    return ViewBatch(
        groups=(views.groups[0][:, mine],), ids=views.ids[mine], masks=(views.masks[0][:, mine],)
    )


def test_equally_many_patches_are_hidden_those_with_the_largest_draws():
    method = mae()
    mask = method.mask(torch.zeros(16, 1, 6, 6), key())
    assert mask.shape == (16, 9)
    assert mask.sum(1).tolist() == [6] * 16  # int(9 x 0.4) = 3 are seen
    draws = uniform(key(), 9)
    for image in range(16):
        assert draws[image][~mask[image]].max() < draws[image][mask[image]].min()
    assert not torch.equal(mask[0], mask[1])
    assert not torch.equal(method.mask(torch.zeros(16, 1, 6, 6), key(epoch=1)), mask)
    alone = method.mask(torch.zeros(1, 1, 6, 6), DrawKey(seed=3, epoch=0, ids=torch.tensor([5])))
    assert torch.equal(alone[0], mask[5])  # whatever the batch


def test_patches_stand_row_after_row_and_are_standardised_with_the_unbiased_variance():
    image = torch.arange(2 * 16, dtype=torch.float64).view(1, 2, 4, 4)
    patches = patches_of(image, 2)
    assert patches.shape == (1, 4, 8)
    assert sorted(patches[0, 1].tolist()) == [2, 3, 6, 7, 18, 19, 22, 23]
    found = standardised(patches)
    for token in range(4):
        values = patches[0, token]
        mean = sum(values.tolist()) / 8
        variance = sum((v - mean) ** 2 for v in values.tolist()) / 7
        expected = [(v - mean) / (variance + 1e-6) ** 0.5 for v in values.tolist()]
        assert found[0, token].tolist() == pytest.approx(expected)


def test_by_hand_a_prediction_of_zero_costs_all_but_one_pixel_of_the_variance():
    """47/48 for patches of 4 x 4 pixels of three colours."""
    method = mae(channels=3, size=8, patch=4, mask_ratio=0.5).double()
    nn.init.zeros_(method.decoder.predict.weight)
    nn.init.zeros_(method.decoder.predict.bias)
    images = torch.rand(1, 5, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = method.mask(images[0], key(5))[None]
    terms = method(ViewBatch(groups=(images,), ids=torch.arange(5), masks=(mask,))).terms
    assert terms.align.tolist() == pytest.approx([0.97917] * 5, abs=1e-4)
    assert terms.spread.item() == 0


def slow(method, image, mask):
    """One image's loss in loops: the visible tokens alone, then every patch."""
    pixels = method.encoder.prepared(image[None])
    embedded = method.encoder.trunk.tokens(pixels)[0]
    seen = [token for token in range(9) if not mask[token]]
    tokens = embedded[seen][None]
    for block in method.encoder.trunk.blocks:
        tokens = block(tokens)
    tokens = method.decoder.embed(method.encoder.trunk.norm(tokens))[0]
    full = torch.stack(
        [tokens[seen.index(place)] if place in seen else method.decoder.hidden for place in range(9)]
    )
    found = method.decoder.predict(
        method.decoder.norm(method.decoder.blocks((full + sine_positions(3, 3, 8).to(full))[None]))
    )[0]
    total, hidden = 0.0, 0
    for place in range(9):
        if mask[place]:
            row, column = 2 * (place // 3), 2 * (place % 3)
            patch = pixels[0, :, row : row + 2, column : column + 2].permute(1, 2, 0).flatten()
            target = (patch - patch.mean()) / (patch.var() + 1e-6).sqrt()
            total += (found[place] - target).square().mean().item()
            hidden += 1
    return total / hidden


def test_the_loss_is_that_of_loops_over_images_and_hidden_patches():
    method = mae().double()
    views = masked(method, batch=4, dtype=torch.float64)
    output = method(views)
    expected = [slow(method, views.groups[0][0, i], views.masks[0][0, i]) for i in range(4)]
    assert output.terms.align.tolist() == pytest.approx(expected, rel=1e-9)
    assert output.h.shape == (1, 4, 8)
    assert output.z is None


def test_hidden_pixels_reach_the_target_and_nothing_else():
    method = mae(normalised=False).double()
    views = masked(method, dtype=torch.float64)
    mask = views.masks[0][0].view(16, 1, 3, 3).repeat_interleave(2, 2).repeat_interleave(2, 3)
    images = views.groups[0][0]
    other = ViewBatch(groups=((images + mask * 0.3)[None],), ids=views.ids, masks=views.masks)
    torch.testing.assert_close(method(other).h, method(views).h)
    assert (method(other).terms.align - method(views).terms.align).abs().min() > 1e-3
    shown = ViewBatch(groups=((images + ~mask * 0.3)[None],), ids=views.ids, masks=views.masks)
    assert (method(shown).h - method(views).h).abs().max() > 1e-3


def test_pixels_of_a_patch_count_relative_to_itself_where_they_are_normalised():
    images = torch.rand(3, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(standardised(images), standardised(7 * images + 2), rtol=1e-4, atol=1e-4)


def test_without_a_mask_the_encoder_gives_the_mean_of_all_patch_tokens():
    method = mae().eval()
    images = clustered_views(views=1)[0]
    trunk = method.encoder.trunk
    tokens = trunk.norm(trunk.blocks(trunk.tokens(method.encoder.prepared(images))))
    assert tokens.shape == (16, 9, 8)
    torch.testing.assert_close(method.encoder(images), tokens.mean(1))


def test_the_order_of_the_visible_tokens_does_not_matter_to_them():
    trunk = mae().encoder.trunk
    tokens = torch.randn(2, 9, 8)
    order = torch.tensor([4, 1, 8])
    one, other = trunk.encoded(tokens[:, order]), trunk.encoded(tokens[:, order.flip(0)])
    torch.testing.assert_close(one, other.flip(1))


def test_the_spread_is_the_mean_square_of_all_products():
    z = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    products = [[F.cosine_similarity(a, b, dim=0).item() ** 2 for b in z] for a in z]
    assert mean_square_product(z).item() == pytest.approx(sum(map(sum, products)) / 25)
    assert mean_square_product(torch.ones(4, 3)).item() == pytest.approx(1)
    isotropic = mean_square_product(torch.randn(4000, 6, generator=torch.Generator().manual_seed(1)))
    assert isotropic.item() == pytest.approx(1 / 6 + (1 - 1 / 6) / 4000, rel=0.02)
    assert torch.autograd.gradcheck(mean_square_product, (z.requires_grad_(),))
    method = mae(spread=0.3)
    output = method(masked(method))
    assert output.terms.spread.item() == pytest.approx(
        0.3 * mean_square_product(output.h[0]).item(), rel=1e-5
    )


def test_parts_of_a_batch_give_the_gradient_of_the_whole_unless_it_spreads():
    whole = mae().double()
    cut = copy.deepcopy(whole)
    assert cut.accumulation == "exact"
    views = masked(whole, dtype=torch.float64)
    whole(views).terms.total.backward()
    for part in range(4):
        (cut(part_of(views, slice(4 * part, 4 * part + 4))).terms.total / 4).backward()
    for (name, p), q in zip(whole.named_parameters(), cut.parameters(), strict=True):
        assert p.grad.abs().max() > 0, name
        torch.testing.assert_close(q.grad, p.grad, rtol=1e-9, atol=1e-12, msg=name)
    assert "compares the images" in mae(spread=0.1).accumulation_problem()


def test_other_networks_absent_masks_and_wrong_settings_are_refused():
    with pytest.raises(InputError, match="hides patches from a vision transformer; got SmallEncoder"):
        build_method(MAESettings(), SmallEncoder())
    with pytest.raises(InputError, match="a patch of one number has no variance"):
        mae(patch=1)
    with pytest.raises(InputError, match="mae needs the mask of each view"):
        mae()(clustered_views(views=1))
    method = mae(mask_ratio=0.95)
    with pytest.raises(InputError, match="of 9 patches 0 would be seen"):
        method.mask(torch.zeros(2, 1, 6, 6), key(2))
    with pytest.raises(InputError, match="mask_ratio must lie between 0 and 1; got 1"):
        mae(mask_ratio=1.0)
    with pytest.raises(InputError, match="spread must be a finite number of at least 0"):
        mae(spread=-0.1)
    with pytest.raises(InputError, match="decoder_width must be a multiple of 4 and of its heads"):
        mae(decoder_width=10)


def test_its_hints_name_its_own_settings():
    assert "0.1 hidden, patches are copied" in MAESettings(mask_ratio=0.1).hint("complete collapse", {}).cause
    assert "0.99 hidden, nothing is left" in MAESettings(mask_ratio=0.99).hint("not learning", {}).cause
    assert MAESettings().hint("not learning", {}) is None
