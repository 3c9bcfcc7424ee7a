"""ATen operators: arguments, cost, output shapes, window and receptive field of each.

Importing a file of operators registers them, so this package imports all of them.
"""

from . import (
    backward,
    boxes,
    convolution,
    decompositions,
    einsum,
    elementwise,
    free,
    joins,
    linear,
    normalization,
    onnx,
    onnx_runtime,
    parts,
    pooling,
    quantised,
    rearranged_fields,
    reductions,
    resizing,
    sequences,
    shuffles,
    user_rules,
    views,
)

_REGISTERED = (
    backward, boxes, convolution, decompositions, einsum, elementwise, free, joins, linear,
    normalization, onnx, onnx_runtime, parts, pooling, quantised, rearranged_fields, reductions,
    resizing, sequences, shuffles, user_rules, views,
)  # fmt: skip
