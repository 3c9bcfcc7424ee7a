"""How a run of a model under diagnosis ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..trace.records import Failure, Frame, Trace
from .creation import Scope, Sized
from .raised import Raised, raised_by


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        failure: None if it ran to its end.
        output: the shapes that it then returned.
        texts: the sources that it ran from, by file, as changed.
        scopes: the calls that created each module, by its path, the innermost first; empty unless
            the run was watched.
        sized: the tensors that constructors created from numbers; likewise.
        signature: of the model's `forward`.
        sizes: the larger numbers that occur in the texts more than once; likewise.
        trace: of a run to its end.
        cause: the exception.
        raised: what it is about; None unless the run was watched.
    """

    failure: Failure | None
    output: tuple[tuple[int, ...], ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[str, tuple[Scope, ...]] = field(default_factory=dict)
    sized: tuple[Sized, ...] = ()
    signature: str = ""
    sizes: tuple[int, ...] = ()
    trace: Trace | None = None
    cause: BaseException | None = None
    raised: Raised | None = None

    def described(self) -> Outcome:
        """The same with what the exception is about."""
        if self.cause is None:
            return self
        return replace(self, raised=raised_by(self.cause, self.texts))

    @property
    def sites(self) -> dict[str, Frame]:
        """Where each module was created, by its path."""
        return {path: scopes[0].frame for path, scopes in self.scopes.items() if scopes}
