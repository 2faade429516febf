"""What several verbs are given."""

import torch

from contrascope.augment.settings import PolicySettings

Device = torch.device | str | None
"""Where the work is done; None: the first GPU or the CPU, for a model in memory where it lies."""
Policy = PolicySettings | str | None
"""Settings, a preset by its name, or a file."""


def policy_of(given: Policy) -> PolicySettings | None:
    """The settings of a policy.

    >>> policy_of(None) is None
    True
    """
    from contrascope.augment.policy_file import named_policy  # looks for files; embeddings need none

    return named_policy(given) if isinstance(given, str) else given
