"""Which input pixels the elements of tensors depend on, and what each operator does to that."""
