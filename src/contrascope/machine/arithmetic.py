"""Which arithmetic a device is fast at."""

import functools

import torch


@functools.cache
def multiplies_bf16(device: str = "cpu") -> bool:
    """Whether a device of this type multiplies matrices of bf16 faster than those of float32.

    CUDA does, a CPU with AMX, and an AMD CPU with AVX-512's instructions for vectors of bf16: they do twice as many
    products at once there. On Intel's these alone do not pay: the step of the small encoder took 1.1 times as long as
    in float32, with AMX 0.7 times, on AMD's 0.6 times (docs/speed.md). Without any, bf16 is made of float32 in
    software: Muon's products took 31 times as long.

    >>> multiplies_bf16() in (True, False)
    True
    """
    if device != "cpu":
        return device == "cuda"
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.11 and later
    vectors = capabilities.get("avx512_bf16", False) and str(capabilities.get("cpu_name", "")).startswith(
        "AMD"
    )
    return bool(capabilities.get("amx_bf16", False) or vectors)
