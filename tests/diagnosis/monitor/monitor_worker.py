"""Two processes that monitor one training; as a script under torch.distributed.run."""

import json
import sys
from pathlib import Path

import monitor_cases
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from contrascope import Monitor


def measured(rank, world, folder):
    """Rows by own forward and by observing this process's half of every batch, and whether an alarm stops it."""
    views = monitor_cases.views()
    model = monitor_cases.Model(skill=0.9)
    wrapped = DistributedDataParallel(model) if world > 1 else model
    out = folder / f"world{world}"
    monitor = Monitor(
        views, encoder="backbone", on_alarm="stop", patience=1, on_error="raise", out=out, rest=0, images=96
    )
    found = {"own": monitor(wrapped, step=1)}
    h = model.backbone[1](views).detach()
    for start in range(0, 96, 48):
        mine = torch.arange(start, start + 48).chunk(world)[rank]
        row = monitor.observe(h[:, mine], ids=mine, step=2)
    found["observed"] = row
    model.collapse()
    monitor(wrapped, step=3)
    return {**found, "stop": monitor.should_stop, "best": monitor.best, "steps": len(monitor.history)}


if __name__ == "__main__":
    dist.init_process_group("gloo")
    rank, folder = dist.get_rank(), Path(sys.argv[1])
    told = measured(rank, dist.get_world_size(), folder)
    (folder / f"rank{rank}.json").write_text(json.dumps(told))
    dist.barrier()
    dist.destroy_process_group()
