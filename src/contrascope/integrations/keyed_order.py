"""The order of our own loop as a sampler of batches, which torch's and Lightning's loaders take."""

from collections.abc import Callable, Iterator

from torch import Tensor
from torch.utils.data import DistributedSampler

from contrascope.training.order import epoch_order, rank_order, steps_per_epoch


class KeyedOrder(DistributedSampler[Tensor]):
    """One rank's batches of ids from where the training stands to the end of its epoch; `done` counts finished steps.

    It is a distributed sampler so that Lightning does not put another one in its place.
    """

    def __init__(
        self,
        count: int,
        *,
        batch_size: int,
        seed: int,
        ranks: int,
        rank: int,
        done: Callable[[], int],
        group: Callable[[Tensor, int], Tensor] | None = None,
    ) -> None:
        """`group` changes this rank's order so that the items of a batch belong together."""
        self.steps = steps_per_epoch(count, batch_size=batch_size, world_size=ranks)
        self.count, self.batch_size, self.seed, self.done = count, batch_size, seed, done
        self.group = group
        self.num_replicas, self.rank, self.epoch = ranks, rank, 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Tensor]:
        epoch, first = divmod(self.done(), self.steps)
        order = epoch_order(self.count, seed=self.seed, epoch=epoch)
        mine = rank_order(order, batch_size=self.batch_size, rank=self.rank, world_size=self.num_replicas)
        each = self.batch_size // self.num_replicas
        mine = mine if self.group is None else self.group(mine, each)
        return iter(mine.split(each)[first:])
