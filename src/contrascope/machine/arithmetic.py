"""Which arithmetic a device is fast at."""

import functools

import torch


@functools.cache
def multiplies_bf16(device: str = "cpu") -> bool:
    """Whether a device of this type multiplies matrices of bf16 faster than those of float32: CUDA, a CPU with AMX.

    Instructions for vectors of bf16 alone (AVX-512) do not: with them the step of the small encoder took 1.1 times
    as long as in float32, with AMX 0.7 times (docs/speed.md). Without either, bf16 is
    made of float32 in software: Muon's products took 31 times as long.

    >>> multiplies_bf16() in (True, False)
    True
    """
    if device != "cpu":
        return device == "cuda"
    capabilities = getattr(torch.cpu, "get_capabilities", dict)  # torch 2.11 and later
    return bool(capabilities().get("amx_bf16", False))
