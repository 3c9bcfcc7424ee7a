"""What is known of each ATen operator: its cost, its window, what its outputs depend on.

Importing a file of operators registers them, so all are imported here: whoever asks the registry
finds them.
"""

from . import (
    attention,
    backward,
    convolution,
    einsum,
    elementwise,
    embedding,
    free,
    joins,
    linear,
    normalization,
    onnx,
    padding,
    pooling,
    recurrent,
    reductions,
    resizing,
    slicing,
    transforms,
    views,
)

_REGISTERED = (
    attention, backward, convolution, einsum, elementwise, embedding, free, joins, linear,
    normalization, onnx, padding, pooling, recurrent, reductions, resizing, slicing, transforms,
    views,
)  # fmt: skip
