"""Results that come later, under PyTorch's names (``torch.futures``)."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["Future", "collect_all", "wait_all"]


class Future(concurrent.futures.Future):
    """A result that is set once and may be waited for.

    >>> import lucid
    >>> f = lucid.futures.Future()
    >>> g = f.then(lambda f: f.value() + 1)
    >>> f.set_result(1)
    >>> g.wait()
    2
    """

    def __init__(self, *, devices: Any = None):
        super().__init__()

    def wait(self) -> Any:
        """The result, once it is there; raises the exception that was set instead."""
        return self.result()

    def value(self) -> Any:
        """The result; RuntimeError if it is not there yet."""
        if not self.done():
            raise RuntimeError("Future.value: the result is not there yet; use wait()")
        return self.result()

    def then(self, callback: Callable[[Future], Any]) -> Future:
        """A future of what ``callback`` returns when it is given this one, completed."""
        after = Future()

        def run(done: Any) -> None:
            try:
                after.set_result(callback(done))
            except Exception as problem:
                after.set_exception(problem)

        self.add_done_callback(run)
        return after


def collect_all(futures: Sequence[Future]) -> Future:
    """A future of the list of these futures, set when all of them are."""
    made, left = Future(), len(futures)
    if not left:
        made.set_result([])

    def one(_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            made.set_result(list(futures))

    for future in futures:
        future.add_done_callback(one)
    return made


def wait_all(futures: Sequence[Future]) -> list[Any]:
    """The results of all of them."""
    return [future.wait() for future in futures]
