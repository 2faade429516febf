"""Whether the Hugging Face hub can be reached, asked once and briefly before a set is loaded."""

import contextlib
import time
from collections.abc import Iterator

import huggingface_hub
from datasets import config
from huggingface_hub.utils import get_session

SECONDS = 5.0
"""Longest wait for an answer, and for a second one."""
PAUSE = 1.0
"""Seconds between the two."""


def hub_answers() -> bool:
    """Whether the hub answers one of two small requests, whatever it says; no request where offline is set.

    The library itself asks six times, with pauses of 23 seconds in all, before it gives a name up.
    """
    if config.HF_HUB_OFFLINE:
        return False
    for attempt in range(2):
        if attempt:
            time.sleep(PAUSE)
        try:
            get_session().head(huggingface_hub.constants.ENDPOINT, timeout=SECONDS)
        except Exception:
            continue
        return True
    return False


@contextlib.contextmanager
def briefly_if_offline() -> Iterator[None]:
    """Inside, `datasets` looks at its cache alone if the hub does not answer; with a hub nothing changes."""
    before = config.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = not hub_answers()
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before
