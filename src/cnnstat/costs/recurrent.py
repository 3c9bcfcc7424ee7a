"""Recurrent layers where a device runs them as one operator.

On `meta` LSTM and GRU unroll into a product per time step, which have rules of their own.
"""

from __future__ import annotations

from ..tracing.records import Op
from .registry import Cost, rule


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
