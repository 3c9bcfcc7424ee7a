"""Operators of sequence models: embeddings, attention with its softmax, recurrent layers.

On `meta` attention decomposes into products and a softmax, which have costs of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Self

from msgspec.structs import replace

from ..results import Shape
from ..trace.records import Op, TensorSpec
from .costs import Cost, Term, in_terms, per_element
from .field_algebra import combined, resized, union
from .field_rules import product_field
from .reach import Field
from .registry import ShapeOf, Trait, View, operator, rule
from .shape_rules import Misfit


@operator(
    "aten.embedding",
    traits=Trait.LOOKUP | Trait.PROJECTION,
    reason="a look-up: values are read by their index",
)
class Embedding(View, frozen=True):
    """(table [V,E], indices [*]) → [*,E]"""

    table: TensorSpec
    indices: TensorSpec
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        return cls(op.args[0], op.args[1], op.outputs[0] if op.outputs else None)

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments in the operator's order, to record one that ONNX describes."""
        return (self.table, self.indices)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [looked_up(shape(self.table), shape(self.indices))]


def looked_up(table: Shape, indices: Shape) -> Shape:
    """[V,E] at [*] → [*,E]"""
    if len(table) != 2:
        raise Misfit
    return (*indices, table[1])


@rule("aten._embedding_bag", "aten._embedding_bag_forward_only", traits=Trait.LOOKUP)
def embedding_bag(op: Op) -> Cost:
    # (table [V,E], indices [n], offsets, …, mode, …, weight of each index) → [bags, E]
    table, indices = op.args[:2]
    mode, weights = op.arg(4, "mode", 0), op.arg(6, "per_sample_weights")
    found = (indices.numel, table.shape[1])
    each = 1 if weights is None else 2  # a sum or a maximum, and a product
    bags = per_element(op.outputs[0], name="mean") if mode == _MEAN else Cost()
    return in_terms(operations=[Term(found, (each,) if each > 1 else ())]) + bags


_MEAN = 1  # EmbeddingBagMode in ATen/native/EmbeddingBag.h


@rule("aten.embedding_renorm", traits=Trait.PLACES)
def embedding_renorm(op: Op) -> Cost:
    # the rows that are read: a square, a sum and a product for each element
    table, indices = op.args[:2]
    return in_terms(operations=[Term((*indices.shape, table.shape[1]), (3,))])


SOFTMAX_OPS = 5  # per element: maximum, subtract, exponential, sum, divide


def attention_cost(scores: Shape, widths: int) -> Cost:
    """The cost of both products and the softmax.

    scores: [batch, heads, queries, keys]. widths: the features of a query and of a value together.
    """
    remark = f"{SOFTMAX_OPS} for each pair of a query and a key"
    return in_terms([Term(scores, (widths,))], [Term(scores, (SOFTMAX_OPS,), "softmax", remark)])


@operator(
    "aten._scaled_dot_product_flash_attention",
    "aten._scaled_dot_product_flash_attention_for_cpu",
    "aten._scaled_dot_product_efficient_attention",
    "aten._scaled_dot_product_cudnn_attention",
    "aten._scaled_dot_product_fused_attention_overrideable",
    "aten._scaled_dot_product_attention_math",
    "aten.scaled_dot_product_attention",
)
class Attention(View, frozen=True):
    """[b,h,q,d] @ [b,h,k,d]ᵀ, softmax over k, @ [b,h,k,v] → [b,h,q,v]

    A causal mask is not discounted, and with grouped queries each query head counts.
    """

    query: TensorSpec
    key: TensorSpec
    value: TensorSpec
    out: TensorSpec | None = None

    @classmethod
    def of(cls, op: Op) -> Self:
        query, key, value = op.args[:3]
        return cls(query, key, value, op.outputs[0] if op.outputs else None)

    @property
    def scores(self) -> int:
        """Pairs of a query and a key, in all heads."""
        return prod(self.query.shape[:-1]) * self.key.shape[-2]

    def cost(self) -> Cost:
        widths = self.query.shape[-1] + self.value.shape[-1]
        return attention_cost((*self.query.shape[:-1], self.key.shape[-2]), widths)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        """The shape of the first output; backends pad the statistics of the softmax differently."""
        query, key, value = shape(self.query), shape(self.key), shape(self.value)
        if min(len(query), len(key), len(value)) < 2:
            raise Misfit
        if query[-1] != key[-1] or key[-2] != value[-2]:
            raise Misfit
        return [(*query[:-1], value[-1])]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """Every query sees all keys and values of its batch and head."""
        if len(out.shape) != len(self.query.shape) or out.shape[:-1] != self.query.shape[:-1]:
            return None
        query, key, value = (fields.get(t.value) for t in (self.query, self.key, self.value))
        if key is None or value is None or len(self.key.shape) != len(out.shape):
            return None
        return product_field(
            query, union(*(combined(x, {len(x.dims) - 2}) for x in (key, value))), out
        )


@operator(
    "aten._softmax",
    "aten._log_softmax",
    "aten._safe_softmax",
    "aten._sparse_softmax",
    "aten._sparse_log_softmax",
    traits=Trait.REDUCTION,
)
class Softmax(View, frozen=True):
    """y = exp(x) / Σ exp(x) along an axis, or its logarithm."""

    x: TensorSpec
    dim: int
    out: TensorSpec | None = None
    is_log: bool = False

    @classmethod
    def of(cls, op: Op) -> Self:
        out = op.outputs[0] if op.outputs else None
        return cls(op.args[0], op.args[1], out, is_log="log" in op.name)

    def cost(self) -> Cost:
        return per_element(self.x, SOFTMAX_OPS)

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        return [shape(self.x)]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field:
        return combined(x, {self.dim % len(x.dims)})


@dataclass(frozen=True, slots=True)
class Cell:
    """The number of gates of a cell, and its operations on an element of the state beside them."""

    gates: int
    state_ops: int


_CELLS = {
    "aten.lstm": Cell(4, 5),  # forget, input, their sum, its activation, output
    "aten.gru": Cell(3, 4),  # reset, and the interpolation of candidate and old state
    "aten.rnn_tanh": Cell(1, 0),
    "aten.rnn_relu": Cell(1, 0),
}


def gates_and_state_ops(name: str) -> tuple[int, int]:
    """The gates of a recurrent operator, e.g. `aten.lstm`, and its operations on the state."""
    cell = _CELLS[name]
    return cell.gates, cell.state_ops


@operator(*_CELLS, traits=Trait.PROJECTION)
class Recurrent(View, frozen=True):
    """All the layers and directions of a recurrent network, at all steps.

    (x [T,N,i] or with `batch_first` [N,T,i], states [l·d,N,h], …) → ([T,N,d·h], states). In each
    layer and direction the batch is multiplied once a step by W_x [g·h,i], W_h [g·h,h] and, in an
    LSTM with a projection to p features, W_r [p,h]; layers after the first have d·h or d·p input
    features.

    proj_size: 0 without a projection.
    """

    name: str
    x: TensorSpec
    states: int
    input_size: int
    hidden_size: int
    proj_size: int
    layers: int
    bidirectional: bool
    has_biases: bool
    batch_first: bool

    @classmethod
    def of(cls, op: Op) -> Self:
        x, states, weights, has_biases, layers, _, _, bidirectional = op.args[:8]
        matrices = [w.shape for w in weights if len(w.shape) == 2]
        by_input, by_state = matrices[:2]
        hidden = by_input[0] // _CELLS[op.name].gates
        projected = len(matrices) > 2 * layers * (2 if bidirectional else 1)
        return cls(
            op.name, x, len(states) if isinstance(states, tuple) else 1, by_input[1], hidden,
            by_state[1] if projected else 0, layers, bool(bidirectional), bool(has_biases),
            bool(op.arg(8, "batch_first", False)),
        )  # fmt: skip

    @property
    def gates(self) -> int:
        return _CELLS[self.name].gates

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def features(self) -> int:
        """The output features of a layer in one direction."""
        return self.proj_size or self.hidden_size

    @property
    def steps_and_batch(self) -> tuple[int, int]:
        first, second = self.x.shape[:2]
        return (second, first) if self.batch_first else (first, second)

    @property
    def layer_inputs(self) -> tuple[int, ...]:
        """The input features of each layer."""
        return (self.input_size,) + (self.directions * self.features,) * (self.layers - 1)

    @property
    def other_ops_per_feature(self) -> int:
        """`other_ops` per step, example, layer, direction and hidden feature."""
        # per gate element the sum of both products, its biases, an activation
        return self.gates * (4 if self.has_biases else 2) + _CELLS[self.name].state_ops

    def cost(self) -> Cost:
        examples = self.x.shape[0] * self.x.shape[1]
        rows = self.gates * self.hidden_size
        weights = sum(rows * (features + self.features) for features in self.layer_inputs)
        weights += self.layers * self.proj_size * self.hidden_size
        each = self.other_ops_per_feature
        elements = (*self.x.shape[:2], self.layers, self.directions, self.hidden_size)
        remark = f"{each} for each step, example, layer, direction and hidden feature"
        operations = Term(elements, (each,), remark=remark)
        return Cost(examples * self.directions * weights) + in_terms(operations=[operations])

    def shapes(self, shape: ShapeOf) -> list[Shape]:
        x = shape(self.x)
        if len(x) != 3 or x[2] != self.input_size:
            raise Misfit
        rows, batch = self.layers * self.directions, x[0 if self.batch_first else 1]
        states = [(rows, batch, self.features), (rows, batch, self.hidden_size)]  # h, and c
        return [(*x[:2], self.directions * self.features), *states[: self.states]]

    def field(self, x: Field, out: TensorSpec, fields: Mapping[int, Field]) -> Field | None:
        """In both directions a step sees all others; in one its field grows from step to step."""
        steps = 1 if self.batch_first else 0
        if not self.bidirectional or not x.is_along(steps):
            return None
        field = combined(x, {steps, 2})
        if field.reason is not None or len(out.shape) != 3 or out.shape[:2] != self.x.shape[:2]:
            return field if field.reason is not None else None
        return Field(resized(field, out), field.reaches)

    def changed(self, settings: Mapping[str, Any]) -> Self:
        """The states are those that torch creates for these settings."""
        return replace(
            self,
            input_size=settings["input_size"],
            hidden_size=settings["hidden_size"],
            proj_size=settings.get("proj_size", 0),
            layers=settings["num_layers"],
            bidirectional=settings["bidirectional"],
            has_biases=settings["bias"],
        )


# per step: gates[4h] = W_x[4h,i] · x[i] + W_h[4h,h] · h[h]
@rule("aten.mkldnn_rnn_layer", traits=Trait.PROJECTION)
def mkldnn_rnn_layer(op: Op) -> Cost:
    # input [T,N,i], W_x [g·h,i], W_h [g·h,h]: one layer, one direction
    x, input_weight, hidden_weight = op.inputs[:3]
    rows, hidden = hidden_weight.shape
    gates = rows // hidden
    states = (x.shape[0], x.shape[1], hidden)
    # per gate element two biases, their sum with the products and an activation; five operations
    # on each element of the state: forget, input, their sum, its activation, output
    products = Term(states, (gates * (input_weight.shape[1] + hidden),))
    return in_terms([products], [Term(states, (4 * gates + 5,))])


@rule("aten._thnn_fused_lstm_cell", "aten._thnn_fused_gru_cell")  # gates, without the products
def fused_cell(op: Op) -> Cost:
    # per gate element: the sum, the biases if there are any, an activation; the state as above
    biases = max(0, len(op.inputs) - 3)
    gates = per_element(op.inputs[0], 2 + biases, "gates")
    return gates + per_element(op.outputs[0], 5, "state")
