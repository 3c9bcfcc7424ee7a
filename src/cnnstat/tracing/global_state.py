"""Global state of Python and torch: changed for a run, or by it, and restored afterwards."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

SEED = 0


@contextmanager
def preserve_rng_state() -> Iterator[None]:
    """Restore the states of Python's, NumPy's and torch's generators at the end."""
    numpy: Any = sys.modules.get("numpy")  # a model cannot use it without an import
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    numpy_state = numpy.random.get_state() if numpy else None
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        random.setstate(python_state)
        if numpy_state is not None:
            numpy.random.set_state(numpy_state)


@contextmanager
def seeded_generators() -> Iterator[None]:
    """Seed Python's, NumPy's and torch's generators, within `preserve_rng_state`."""
    numpy: Any = sys.modules.get("numpy")
    random.seed(SEED)
    if numpy:
        numpy.random.seed(SEED)
    torch.default_generator.manual_seed(SEED)  # the CPU's only, unlike torch.manual_seed
    yield


@contextmanager
def deeper_recursion() -> Iterator[None]:
    """Allow for the frames that recording adds to each call of a module."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(2 * limit + 200)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@contextmanager
def slow_attention() -> Iterator[None]:
    """Disable the fused fast path of attention, an operator without a shape equation."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


@contextmanager
def replaced(holder: Any, name: str, value: Any) -> Iterator[None]:
    """Replace an attribute of a module or class, and restore it."""
    original = getattr(holder, name)
    setattr(holder, name, value)
    try:
        yield
    finally:
        setattr(holder, name, original)
