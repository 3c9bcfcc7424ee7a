"""The dispatch mode: it records every ATen operator, and runs it where there is no data."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ... import fast_meta
from ...errors import LaneError
from ...operators.user_rules import shape_rule_of
from ..meta_device.memory_formats import lay_out
from ..meta_device.meta_rules import DTYPE_CHECKS, LARGEST, READING_CONSTANTS, SHAPE_CHECKS
from ..meta_device.value_checks import answer_to_check
from ..process.global_state import SEED
from ..recording.open_calls import Attempt
from ..recording.recorder import Recorder
from ..structure.containers import PLAIN, PLAIN_TENSORS, rebuilt, tensors_among
from ..structure.nested import NESTED, has_strided_nested
from ..structure.sparse import is_sparse
from ..user_code.assertions import answer_to_assertion
from ..user_code.constant_masks import positions_of_masks
from ..user_code.index_values import IndexValues
from ..user_code.scripted import ScriptedRows
from ..user_code.user_rules import flop_formula_of, kernel_of
from .lanes import Lane

Kernel = Callable[..., Any]
"""Runs an operator without data; returns NotImplemented to leave it to torch."""
_Known = tuple[str, str, Callable[..., Any] | None, bool, Callable[..., Any]]
"""Name, overload, kernel of ours, whether it is composite, and how torch runs the operator."""


class Operators(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch declares no types
    """Records every ATen operator; without data it also checks and runs it."""

    def __init__(
        self,
        recorder: Recorder,
        lane: Lane,
        fast: bool = True,
        kernels: Mapping[str, Kernel] | None = None,
    ) -> None:
        """`kernels` come before those of `fast_meta`; both run without data only.

        A composite operator among `kernels` is run as one.
        """
        super().__init__()  # type: ignore[no-untyped-call]  # torch declares no types
        self.kernels: Mapping[str, Kernel] = {**fast_meta.shape_kernels(), **(kernels or {})}
        self._undivided = frozenset(kernels or ())
        self.recorder = recorder
        self.lane = lane
        self.fast = fast
        self.on_import: Callable[[], None] = lambda: None
        self._known: dict[Any, _Known] = {}
        self._formulas: dict[Any, Callable[..., Any]] = {}
        self._modules = len(sys.modules)
        self._scripted = ScriptedRows(recorder)
        self._indices = IndexValues(recorder)
        self._in_script = False
        self._seed = torch.initial_seed()
        self._random_state: Tensor | None = None
        if not fast or lane.name == "fake":
            fast_meta.import_rules()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # True makes torch import torch._dynamo for the first operator (1 s), though nothing is
        # compiled here. A torch without this method ignores it.
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if types and any(hasattr(cls, "__tensor_flatten__") for cls in types):
            return NotImplemented  # a wrapper subclass: it dispatches to the tensors inside
        known = self._known.get(func)
        if known is None:
            known = self._known[func] = self._look_up(func)
        stack = self.recorder.stack
        if not (stack and stack[-1].scripted) or self._in_script:
            return self._run(func, known, args, kwargs)
        self._in_script = True
        try:
            with torch._C.DisableTorchFunction():  # TorchScript calls no function mode
                return self._scripted.run(
                    known[0], args, kwargs, lambda: self._run(func, known, args, kwargs)
                )
        finally:
            self._in_script = False

    def _run(self, func: Any, known: _Known, args: Any, kwargs: Any) -> Any:
        name, overload, fast, composite, run = known
        is_nested = self.lane.has_data and has_strided_nested(args, kwargs)
        if composite and not is_nested:  # delivered whole in torch.inference_mode only
            return self._decomposed(func, name, overload, args, kwargs)
        recorder = self.recorder
        without_data = not self.lane.has_data and not _all_meta(args, kwargs)
        if without_data:
            args = positions_of_masks(name, args, recorder)
        recorded_args, recorded_kwargs = args, kwargs
        if without_data:
            if any(is_sparse(tensor) for tensor in tensors_among((args, kwargs))):
                self._refuse_sparse()
                fast = None  # our kernels return dense tensors
            recorder.note_constants((args, kwargs))
            if name not in READING_CONSTANTS:
                args, kwargs = on_one_device(args, kwargs)
        innermost = recorder.stack[-1] if recorder.stack else None
        recorder.attempt = Attempt(func, name, args, kwargs, innermost)
        if not self.lane.has_data:
            self._check(name, args)
            self._indices.check(name, recorded_args)
        result = NotImplemented if fast is None else fast(*args, **kwargs)
        if result is NotImplemented:
            result = run(*args, **kwargs)
        if not self.lane.has_data:
            lay_out(name, args, kwargs, result)
        if args is not recorded_args and args and result is args[0]:
            result = recorded_args[0]  # the constant that was written to, not its copy on `meta`
        if len(sys.modules) != self._modules:
            self._collect()
        recorder.attempt = None
        # With the tensors of the model, not their copies on `meta`: what is written to a copy is
        # lost, and the record shows it.
        record = recorder.record_rows if is_nested else recorder.record_op
        record(name, overload, recorded_args, recorded_kwargs, result)
        if func in self._formulas:
            recorder.note_flops(self._formulas[func](args, kwargs, result))
        return result

    def _collect(self) -> None:
        """Collect garbage after an import in the middle of a run.

        Exceptions caught during the import form cycles with the frames around it, and those refer
        to tensors. They would stay alive, and only in the first run of a process, which imports.
        """
        self._modules = len(sys.modules)
        self.on_import()
        if not self.lane.has_data:
            gc.collect()

    def _decomposed(self, func: Any, name: str, overload: str, args: Any, kwargs: Any) -> Any:
        self.recorder.open_composite()
        result = None  # for an exception
        try:
            with self:
                result = fast_meta.decomposition_of(func)(*args, **kwargs)
            if not self.lane.has_data:
                lay_out(name, args, kwargs, result)
        finally:
            self.recorder.close_composite(name, overload, args, kwargs, result)
        return result

    def _refuse_sparse(self) -> None:
        """Leave a model with sparse tensors to a lane with data; sparse gradients are followed."""
        recorder = self.recorder
        if recorder.phase == "forward":
            place = recorder.stack[-1].path if recorder.stack else ""
            raise LaneError(
                f"the model uses sparse tensors{f' at {place}' if place else ''}, whose products "
                "depend on the number of their stored elements"
            )

    def _check(self, name: str, args: Any) -> None:
        if name in SHAPE_CHECKS:
            SHAPE_CHECKS[name](args)
        if name in DTYPE_CHECKS and not self.recorder.autocast:
            DTYPE_CHECKS[name](args)

    def _look_up(self, func: Any) -> _Known:
        full = func.name()
        packet, _, overload = full.partition(".")
        composite = full not in self._undivided and _is_composite(func)
        kernel = None
        if not self.lane.has_data:
            kernel = self.kernels.get(full) if self.fast else None
            if full in LARGEST:
                kernel = _first_of(LARGEST[full], kernel)
            if full in _READS:
                kernel = self._answered
            if full in NESTED:
                kernel = self._without_lengths
        name = packet.replace("::", ".")
        shape_rule = shape_rule_of(name)
        if shape_rule is not None and not self.lane.has_data:
            kernel = kernel_of(shape_rule)
        formula = flop_formula_of(func, name)
        if formula is not None:
            self._formulas[func] = formula
        wrapped = self.lane.wrap
        kernel = kernel and wrapped(kernel)
        run = wrapped(func if self.lane.has_data else fast_meta.with_torch_rules(func))
        if full in _READS:
            run = self._reading(_READS[full], run)
        if torch.Tag.nondeterministic_seeded in func.tags:
            run = self._drawing(run)
        return name, overload or "default", kernel, composite, run

    def _answered(self, *args: Any, **kwargs: Any) -> Any:
        """The answer to a check, torch's own or an assertion; another value is not answered."""
        stack, ops = self.recorder.stack, self.recorder.ops
        answer = answer_to_check(stack[-1].type if stack else "", [op.name for op in ops[:-3:-1]])
        if answer is NotImplemented and any(tensor.is_meta for tensor in tensors_among(args)):
            return answer_to_assertion()
        return answer

    def _without_lengths(self, *args: Any, **kwargs: Any) -> Any:
        self.recorder.require_lengths()

    def _reading(self, function: str, run: Kernel) -> Kernel:
        """The operator, which reads a value, with a notice to the recorder."""

        def read(*args: Any, **kwargs: Any) -> Any:
            value = run(*args, **kwargs)
            on_read = self.recorder.on_read
            return value if on_read is None else on_read(function, tensors_among(args), value)

        return read

    def _drawing(self, run: Kernel) -> Kernel:
        """The operator, which draws random numbers from a stream of this run's own.

        It starts from a fixed seed. torch's generator is as before after each draw, because other
        threads may train meanwhile; unless the model seeds it, whose stream is then drawn from.
        """

        def draw(*args: Any, **kwargs: Any) -> Any:
            generator = torch.default_generator
            is_seeded = generator.initial_seed() != self._seed
            if is_seeded or kwargs.get("generator") is not None or _has_no_data(args, kwargs):
                return run(*args, **kwargs)
            before = generator.get_state()
            if self._random_state is None:
                generator.manual_seed(SEED)
            else:
                generator.set_state(self._random_state)
            try:
                return run(*args, **kwargs)
            finally:
                self._random_state = generator.get_state()
                generator.set_state(before)

        return draw


def _has_no_data(args: Any, kwargs: Any) -> bool:
    """Whether an operator runs on `meta`."""
    tensors = tensors_among((args, kwargs))
    if tensors:
        return all(tensor.is_meta for tensor in tensors)
    return torch.device(kwargs.get("device") or "cpu").type == "meta"


_READS = {
    "aten::_local_scalar_dense": "item", "aten::equal": "equal", "aten::allclose": "allclose",
}  # fmt: skip
"""Operators that return a value to Python, and the function that reads it."""


def _first_of(kernel: Kernel, other: Kernel | None) -> Kernel:
    """The first kernel, then the other if it returns NotImplemented."""
    if other is None:
        return kernel

    def either(*args: Any, **kwargs: Any) -> Any:
        result = kernel(*args, **kwargs)
        return other(*args, **kwargs) if result is NotImplemented else result

    return either


def _is_composite(func: Any) -> bool:
    """Whether torch makes it of other operators on every device, as `linear`."""
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    name = func.name()
    try:
        composite = func._can_decompose() and has_kernel(name, "CompositeImplicitAutograd")
        return composite and not has_kernel(name, "CPU")
    except RuntimeError:  # an operator about a tensor's metadata, without kernels
        return False


def is_packed(args: Any) -> bool:
    """Whether a recurrent layer gets a packed sequence: its batch sizes stay on the CPU."""
    return len(args) > 1 and isinstance(args[1], Tensor) and args[1].dtype is torch.int64


def on_one_device(args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Move CPU constants to `meta` where they meet a meta tensor; else they keep their values."""
    if len({tensor.is_meta for tensor in tensors_among((args, kwargs))}) < 2:
        return args, kwargs
    return to_meta(args), to_meta(kwargs)


def _all_meta(args: Any, kwargs: Any) -> bool:
    """Whether a quick look finds dense meta tensors only, as it nearly always does."""
    return _are_meta(args) and (not kwargs or _are_meta(kwargs.values()))


def _are_meta(values: Iterable[Any]) -> bool:
    for value in values:
        kind = type(value)
        if kind in PLAIN:
            continue
        if kind in PLAIN_TENSORS:
            if not value.is_meta or value.layout is not torch.strided:
                return False
        elif kind is not list or not _are_meta(value):
            return False
    return True


def to_meta(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value if value.is_meta else value.to("meta")
    if isinstance(value, tuple | list):
        return rebuilt(value, [to_meta(item) for item in value])
    if isinstance(value, dict):
        return {key: to_meta(item) for key, item in value.items()}
    return value
