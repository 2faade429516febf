"""An ordered map over threads that never runs far ahead of its reader."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def bounded_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Iterator[Result]:
    """`map` in threads, in order, with at most `ahead` results waiting or in work.

    >>> list(bounded_map(abs, [-1, 2, -3], workers=2, ahead=2))
    [1, 2, 3]
    """
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="decode")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            if len(waiting) >= max(1, ahead):
                yield waiting.popleft().result()
            waiting.append(pool.submit(function, item))
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
