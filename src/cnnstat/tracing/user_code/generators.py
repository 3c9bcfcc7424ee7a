"""Python's and NumPy's generators of random numbers: their states, and where a model uses them."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..places import is_model_source
from ..process.global_state import SEED

GENERATORS = {"Python": "Python's random numbers", "NumPy": "NumPy's random numbers"}
"""Origins of values, by the generator."""


class _Python:
    """Python's generator."""

    def getstate(self) -> Any:
        return random.getstate()

    def seed(self, number: int) -> None:
        random.seed(number)

    def set_words(self, words: Sequence[int]) -> None:
        random.setstate((3, (*words, 0), None))


class _NumPy:
    """NumPy's global generator."""

    def __init__(self, numpy: Any) -> None:
        self.numpy = numpy

    def getstate(self) -> Any:
        name, words, *rest = self.numpy.random.get_state()
        return name, words.tobytes(), *rest

    def seed(self, number: int) -> None:
        self.numpy.random.seed(number)

    def set_words(self, words: Sequence[int]) -> None:
        array = self.numpy.array(words, dtype=self.numpy.uint32)
        self.numpy.random.set_state(("MT19937", array, 0, 0, 0.0))


def python_generators() -> dict[str, Any]:
    numpy = sys.modules.get("numpy")  # a model cannot use it without an import
    known: dict[str, Any] = {"Python": _Python()}
    if numpy is not None and hasattr(numpy, "random"):
        known["NumPy"] = _NumPy(numpy)
    return known


def same_state(a: Any, b: Any) -> bool:
    return bool(a == b)


# A Mersenne Twister whose next words are all 0, or all 2³² − 1: random numbers at either end of
# their range, so a comparison with any threshold has both results. The second is the state that
# the generator's tempering maps to 2³² − 1. Some distributions draw until a number fits, so the
# words after the first are ordinary ones.
_EXTREMES = 0x00000000, 0x12DD9BB3
_EXTREME_WORDS, _WORDS = 64, 624
VARIANTS = 4  # of generators: the two extremes and two further seeds


def seed_generator(generator: Any, number: int) -> None:
    if 1 <= number <= 2:
        ordinary = random.Random(SEED)
        words = [_EXTREMES[number - 1]] * _EXTREME_WORDS
        words += [ordinary.getrandbits(32) for _ in range(_WORDS - _EXTREME_WORDS)]
        generator.set_words(words)
    else:
        generator.seed(SEED + number)


@dataclass
class Draws:
    """Finds the lines of the model after which the state of a generator is another one."""

    generators: dict[str, Any]
    draws: dict[str, tuple[str, int] | None]

    @contextmanager
    def installed(self) -> Iterator[None]:
        previous = sys.gettrace()
        self.states = {name: g.getstate() for name, g in self.generators.items()}
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(previous)

    def _trace(self, frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        # Methods that `dataclasses` and `collections` generate are in "<string>" too.
        generated = code.co_filename == "<string>" and frame.f_globals["__name__"] != "__main__"
        if generated or not is_model_source(code.co_filename):
            return None
        line = frame.f_lineno

        def of_lines(frame: Any, event: str, argument: Any) -> Any:
            nonlocal line
            for name, generator in self.generators.items():
                if self.draws.get(name) is None:
                    state = generator.getstate()
                    if not same_state(self.states[name], state):
                        self.draws[name] = (code.co_filename, line)
                    self.states[name] = state
            line = frame.f_lineno
            return of_lines

        return of_lines
