"""Where torch's `meta` device differs from a real one: kernels, casts, strides, checks."""
