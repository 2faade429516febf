"""Two processes that hold half of a model each; as a script under torch.distributed.run."""

import json
import sys
from pathlib import Path

import monitor_cases
import torch
import torch.distributed as dist

from contrascope import Monitor
from contrascope.diagnosis.monitor.sharded import is_sharded, whole_model


def sharded(model, kind):
    if kind == "plain":
        return model
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard

    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    if kind == "older":
        return FullyShardedDataParallel(model, device_id=torch.device("cpu"), use_orig_params=True)
    if kind == "parts":
        fully_shard(model.backbone, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def measured(kind):
    """Rows with and without a change of the weights, and whether the model was left as it is."""
    drawn = monitor_cases.Model(skill=0.9)
    whole = {name: values.clone() for name, values in drawn.state_dict().items()}
    model = sharded(drawn, kind)
    modes = [part.training for part in model.modules()]
    parts = [values.detach().clone() for values in model.parameters()]
    monitor = Monitor(
        monitor_cases.views(),
        encoder="backbone",
        projector="head",
        on_alarm="stop",
        patience=1,
        on_error="raise",
    )
    found = {"row": monitor(model, step=1)}
    same = all(torch.equal(*map(local, pair)) for pair in zip(parts, model.parameters(), strict=True))
    found["kept"] = same and modes == [part.training for part in model.modules()]
    found["sharded"] = is_sharded(model)
    copied = whole_model(model, together=True).state_dict()
    found["whole"] = copied.keys() == whole.keys() and all(
        torch.equal(copied[name], whole[name]) for name in whole
    )
    alone = []
    Monitor(monitor_cases.views(), encoder="backbone", together=False, log=alone.append)(model, step=1)
    found["alone"] = len(alone)
    if kind != "older":
        with torch.no_grad():
            for values in model.backbone.parameters():
                values.zero_()
        monitor(model, step=3)
    return {**found, "stop": monitor.should_stop, "best": monitor.best}


def local(values):
    return values.to_local() if hasattr(values, "to_local") else values


if __name__ == "__main__":
    dist.init_process_group("gloo")
    kind, folder = sys.argv[1:]
    told = measured(kind)
    (Path(folder) / f"rank{dist.get_rank()}.json").write_text(json.dumps(told))
    dist.barrier()
    dist.destroy_process_group()
