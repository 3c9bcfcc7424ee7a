"""ATen operators: arguments, cost, output shapes, window and receptive field of each.

Importing a file of operators registers them, so this package imports all of them.
"""

from . import (
    backward,
    convolution,
    decompositions,
    elementwise,
    free,
    linear,
    normalization,
    onnx,
    parts,
    pooling,
    quantised,
    rearranged_fields,
    resizing,
    sequences,
    user_rules,
    views,
)

_REGISTERED = (
    backward, convolution, decompositions, elementwise, free, linear, normalization, onnx, parts,
    pooling, quantised, rearranged_fields, resizing, sequences, user_rules, views,
)  # fmt: skip
