import pytest
import torch

from contrascope.errors import InputError
from contrascope.training.order import epoch_order, rank_order, steps_per_epoch


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_the_ranks_parts_joined_in_rank_order_are_the_single_batches(world):
    order = epoch_order(101, seed=3, epoch=5)
    single = rank_order(order, batch_size=12, rank=0, world_size=1).view(-1, 12)
    parts = [rank_order(order, batch_size=12, rank=r, world_size=world).view(8, -1) for r in range(world)]
    assert torch.equal(torch.cat(parts, dim=1), single)
    assert torch.equal(single.flatten(), order[:96])


def test_an_order_is_a_permutation_that_depends_on_seed_and_epoch_alone():
    orders = {(s, e): epoch_order(50, seed=s, epoch=e) for s in range(3) for e in range(3)}
    for (s, e), order in orders.items():
        assert order.sort().values.tolist() == list(range(50))
        torch.rand(3)
        assert torch.equal(order, epoch_order(50, seed=s, epoch=e))
    assert len({tuple(order.tolist()) for order in orders.values()}) == 9


def test_a_batch_that_ranks_cannot_share_and_one_larger_than_the_data_are_refused():
    with pytest.raises(InputError, match=r"batch_size 10 cannot be shared by 4 .*multiple of 4"):
        steps_per_epoch(100, batch_size=10, world_size=4)
    with pytest.raises(InputError, match=r"has 9 images, fewer than training\.batch_size 10"):
        steps_per_epoch(9, batch_size=10, world_size=1)
    assert steps_per_epoch(10, batch_size=10, world_size=1) == 1
