import math

import pytest
import torch
from torch.nn import functional as F

from contrascope.encoders.vit import Block, VisionTransformer, fitting_patch, sine_positions
from contrascope.errors import InputError


def test_vit_tiny_has_the_published_size():
    # 5,717,416 parameters in DeiT-Ti of 224 pixels; less its class token, 197 learnt positions and classifier
    trunk = VisionTransformer(channels=3, size=224)
    assert sum(p.numel() for p in trunk.parameters()) == 5_717_416 - 192 - 197 * 192 - 193 * 1000


def test_attention_equals_slow_loops():
    torch.manual_seed(0)
    block = Block(8, heads=2).double()
    tokens = torch.randn(2, 3, 8, dtype=torch.float64)
    query, key, value = F.linear(tokens, block.qkv.weight, block.qkv.bias).split(8, dim=-1)
    mixed = torch.zeros_like(tokens)
    for image in range(2):
        for head in (slice(0, 4), slice(4, 8)):
            for row in range(3):
                scores = torch.stack(
                    [query[image, row, head] @ key[image, col, head] / math.sqrt(4) for col in range(3)]
                )
                weights = scores.exp() / scores.exp().sum()
                mixed[image, row, head] = sum(w * value[image, col, head] for col, w in enumerate(weights))
    expected = F.linear(mixed, block.proj.weight, block.proj.bias)
    torch.testing.assert_close(block.attend(tokens), expected, rtol=1e-10, atol=1e-12)


def test_positions_by_hand():
    positions = sine_positions(2, 2, 4)  # sin row, cos row, sin column, cos column
    s, c = math.sin(1), math.cos(1)
    expected = torch.tensor([[0, 1, 0, 1], [0, 1, s, c], [s, c, 0, 1], [s, c, s, c]], dtype=torch.float32)
    torch.testing.assert_close(positions, expected)


@pytest.mark.parametrize(("size", "patch"), [(8, 1), (28, 2), (32, 4), (96, 12), (224, 16), (31, 1)])
def test_the_patch_fits_the_image(size, patch):
    assert fitting_patch(size) == patch


def test_another_size_is_encoded_if_the_patch_divides_it_and_refused_if_not():
    trunk = VisionTransformer(channels=1, size=32, dim=12, depth=1)
    assert trunk(torch.zeros(1, 1, 16, 24)).shape == (1, 12)
    with pytest.raises(InputError, match="33x32 are not a multiple of the patch size 4"):
        trunk(torch.zeros(1, 1, 33, 32))


def test_heads_must_divide_the_width():
    with pytest.raises(InputError, match="multiple of 4 and of its 3 heads; got 16"):
        VisionTransformer(channels=1, size=8, dim=16)


def test_each_half_of_a_block_normalises_its_input_and_adds_it():
    torch.manual_seed(0)
    block = Block(8, heads=2)
    tokens = 5 * torch.randn(2, 3, 8)
    expected = tokens + block.attend(F.layer_norm(tokens, (8,)))
    expected = expected + block.mlp(F.layer_norm(expected, (8,)))
    torch.testing.assert_close(block(tokens), expected)
