import pytest
import torch

from contrascope.augment.blur import GaussianBlur
from contrascope.augment.crop import RandomResizedCrop
from contrascope.augment.jitter import Invert, Solarize
from contrascope.augment.occlusion import Cutout, GaussianNoise
from contrascope.augment.policy import Policy, policy
from contrascope.augment.presets import preset
from contrascope.augment.views import make_views, replay
from contrascope.augment.warp import Affine, Elastic
from contrascope.errors import InputError

EVERYTHING = Policy(
    ops=(
        *policy("aedcb").ops,
        Solarize(p=0.5),
        Affine(degrees=20.0, translate=0.1, shear=10.0, p=0.5),
        Elastic(alpha=4.0, sigma=1.0),
        Invert(),
        Cutout(),
        GaussianNoise(),
    )
)
POLICIES = {
    "everything": (EVERYTHING,),
    "byol": preset("byol"),
    "shrink": policy("ade", size=9),
    "letters": policy("abcde"),
}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("shape", [(3, 17, 19), (1, 8, 8), (3, 32, 32)])
def test_a_view_has_the_same_bits_alone_and_among_others_in_any_order(pictures, name, shape):
    policies, count = POLICIES[name], 256
    images, ids = pictures(count, *shape, dtype=torch.uint8), torch.arange(1000, 1000 + count)
    draw = {"seed": 7, "epoch": 3, "num_views": 3}
    together, _ = make_views(images, policies, ids=ids, **draw)
    for batch in (1, 2, 3, 5, 33, 100):
        chosen = torch.randperm(count, generator=torch.Generator().manual_seed(batch))[:batch]
        some, _ = make_views(images[chosen], policies, ids=ids[chosen], **draw)
        assert torch.equal(some, together[:, chosen])


def test_a_large_image_has_the_same_bits_alone_and_among_others(pictures):
    images = pictures(16, 3, 224, 224, dtype=torch.uint8)
    together, _ = make_views(images, policy("abcde"), ids=torch.arange(16), seed=0, epoch=0)
    for n in (0, 7, 15):
        alone, _ = make_views(images[n : n + 1], policy("abcde"), ids=torch.tensor([n]), seed=0, epoch=0)
        assert torch.equal(alone[:, 0], together[:, n])


def test_threads_do_not_change_the_bits(pictures):
    images, before = pictures(40, 3, 96, 96, dtype=torch.uint8), torch.get_num_threads()
    made = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(make_views(images, EVERYTHING, ids=torch.arange(40), seed=0, epoch=0)[0])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*made)


@pytest.mark.parametrize("name", POLICIES)
def test_replayed_parameters_give_the_same_bits(pictures, name):
    images = pictures(10, 3, 16, 16, dtype=torch.uint8)
    views, params = make_views(images, POLICIES[name], ids=torch.arange(10), seed=0, epoch=0, num_views=5)
    assert torch.equal(replay(images, POLICIES[name], params), views)
    swapped = replay(images, POLICIES[name], params[::2] + params[1::2]) if name != "byol" else None
    assert swapped is None or torch.equal(swapped, torch.cat((views[::2], views[1::2])))


def test_more_views_leave_the_first_ones_as_they_are(pictures):
    images, settings = pictures(4, 3, 8, 8), {"ids": torch.arange(4), "seed": 0, "epoch": 0}
    two, _ = make_views(images, preset("byol"), num_views=2, **settings)
    five, _ = make_views(images, preset("byol"), num_views=5, **settings)
    assert torch.equal(five[:2], two)
    assert len({view.numpy().tobytes() for view in five}) == 5


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"ids": torch.arange(4) + 1}])
def test_another_seed_epoch_or_id_gives_other_views(pictures, change):
    images, settings = pictures(4, 3, 16, 16), {"ids": torch.arange(4), "seed": 0, "epoch": 0}
    first, _ = make_views(images, policy("ade"), **settings)
    other, _ = make_views(images, policy("ade"), **(settings | change))
    assert (first - other).abs().amax(dim=(2, 3, 4)).min() > 1e-3


def test_bytes_and_floats_of_one_image_give_one_view(pictures):
    images, settings = (
        pictures(6, 3, 15, 15, dtype=torch.uint8),
        {"ids": torch.arange(6), "seed": 0, "epoch": 0},
    )
    from_bytes, _ = make_views(images, policy("abcde"), **settings)
    from_floats, _ = make_views(images.double() / 255, policy("abcde"), **settings)
    assert (from_bytes - from_floats).abs().max() < 1e-5


def test_images_stay_as_they_are_and_views_take_the_dtype_asked_for(pictures):
    images = pictures(3, 3, 8, 8)
    before = images.clone()
    settings = {"ids": torch.arange(3), "seed": 0, "epoch": 0}
    plain, _ = make_views(images, Policy(ops=policy("dc").ops), **settings)
    half, _ = make_views(images, Policy(ops=policy("dc").ops), dtype=torch.bfloat16, **settings)
    assert torch.equal(images, before)
    assert torch.equal(plain.to(torch.bfloat16), half)


def test_mistakes_at_the_door_are_named(pictures):
    images = pictures(3, 3, 8, 8)
    with pytest.raises(InputError, match="got 3 images, 2 ids and num_views=2; expected one id per image"):
        make_views(images, policy("a"), ids=torch.arange(2), seed=0, epoch=0)
    sizes = (policy("a", size=4), Policy(ops=(RandomResizedCrop(size=5), GaussianBlur())))
    with pytest.raises(InputError, match="different shapes"):
        make_views(images, sizes, ids=torch.arange(3), seed=0, epoch=0)
    with pytest.raises(InputError, match="got no policy"):
        make_views(images, (), ids=torch.arange(3), seed=0, epoch=0)
