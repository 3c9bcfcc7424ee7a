"""One analysis at a time in a process.

Building and running a model changes what all threads share: attributes of torch, registered
kernels, `sys.path`, whatever the model's code sets. So analyses of several threads take turns.
Threads that run a model of their own meanwhile need no turn: `replaced_here` leaves them alone.

A model may itself call cnnstat, in the thread of its run or in others that it waits for.
These get turns inside the turn of the run, or both would wait for each other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .global_state import threads_inside


class _Turn:
    """A lock for the analyses inside one analysis; the root's is for those inside none."""

    def __init__(self, outer: _Turn | None = None) -> None:
        self.outer = outer
        self.lock = threading.RLock()
        self.is_over = False


class _OfThread(threading.local):
    turn: _Turn | None = None
    """The turn inside which this thread analyses; None: inside no other."""


_root = _Turn()
_here = _OfThread()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait until no other thread analyses a model, and let none begin until the end."""
    outer = _current()
    with outer.lock:
        inner = _Turn(outer)
        _here.turn = inner
        try:
            with threads_inside(lambda: _inside(inner)):
                yield
        finally:
            _here.turn = outer
            with inner.lock:  # wait for analyses in threads that the model started
                inner.is_over = True


def _current() -> _Turn:
    turn = _here.turn or _root
    while turn.is_over and turn.outer is not None:  # a thread that outlives the run it began in
        turn = turn.outer
    return turn


@contextmanager
def _inside(turn: _Turn) -> Iterator[None]:
    before, _here.turn = _here.turn, turn
    try:
        yield
    finally:
        _here.turn = before  # a thread of an executor goes on to other tasks


def _forget_turns() -> None:
    """In a forked process: the threads that had a turn do not exist there."""
    global _root
    _root = _Turn()
    _here.turn = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_turns)
