"""Recurrent layers as one operator, for all their layers and directions or for one."""

from __future__ import annotations

from ..trace.records import Op
from .registry import Cost, rule


@rule("aten.lstm", "aten.gru", "aten.rnn_tanh", "aten.rnn_relu")
def recurrent_layers(op: Op) -> Cost:
    # (x[T,N,i], state(s)[l·d,N,h], weights, biases?, l, …) per step each matrix meets the batch
    # once: W_x[g·h,i], W_h[g·h,h] and, in an LSTM with a projection, W_r[p,h]
    x, weights = op.args[0], op.args[2]
    examples = x.shape[0] * x.shape[1]
    matrices = [w for w in weights if len(w.shape) == 2]
    # per gate element the sum of both products, its biases, an activation
    gate_ops = 4 if op.args[3] else 2
    gates, state_ops = _CELLS[op.name]
    rows = op.args[4] * (2 if op.args[7] else 1)
    hidden = matrices[0].shape[0] // gates
    elementwise = rows * hidden * (gates * gate_ops + state_ops)
    return Cost(examples * sum(w.numel for w in matrices), examples * elementwise)


# gates, and what is done to an element of the state: LSTM forget, input, their sum, its
# activation, output; GRU reset, and the new state between the candidate and the old one
_CELLS = {
    "aten.lstm": (4, 5),
    "aten.gru": (3, 4),
    "aten.rnn_tanh": (1, 0),
    "aten.rnn_relu": (1, 0),
}
RECURRENT = frozenset(_CELLS)
"""Operators that run all the layers of a recurrent network: argument 4 is their number."""


@rule("aten.mkldnn_rnn_layer")  # per step: gates[4h] = W_x[4h,i] · x[i] + W_h[4h,h] · h[h]
def mkldnn_rnn_layer(op: Op) -> Cost:
    # input [T,N,i], W_x [g·h,i], W_h [g·h,h]: one layer, one direction
    x, input_weight, hidden_weight = op.inputs[:3]
    steps, batch = x.shape[0], x.shape[1]
    hidden = hidden_weight.shape[1]
    gates = input_weight.shape[0]
    # per gate element two biases, their sum with the products and an activation; five operations
    # on each element of the state: forget, input, their sum, its activation, output
    elementwise = steps * batch * (4 * gates + 5 * hidden)
    return Cost(steps * batch * (input_weight.numel + hidden_weight.numel), elementwise)


@rule("aten._thnn_fused_lstm_cell", "aten._thnn_fused_gru_cell")  # gates, without the products
def fused_cell(op: Op) -> Cost:
    # per gate element: the sum, the biases if there are any, an activation; the state as above
    biases = max(0, len(op.inputs) - 3)
    return Cost(0, (2 + biases) * op.inputs[0].numel + 5 * op.outputs[0].numel)
