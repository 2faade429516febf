"""Which arithmetic the processor is fast at."""

import torch


def multiplies_bf16() -> bool:
    """Whether the processor multiplies matrices of bf16 in hardware (AMX), which makes a training step faster.

    Instructions for vectors of bf16 alone (AVX-512) do not: with them the step of the small encoder took 1.1 times
    as long as in float32, with AMX 0.7 times (docs/speed.md).

    >>> multiplies_bf16() in (True, False)
    True
    """
    capabilities = getattr(torch.cpu, "get_capabilities", dict)  # torch 2.11 and later
    return bool(capabilities().get("amx_bf16", False))
