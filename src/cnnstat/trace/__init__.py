"""The record of one run: calls, operators, tensors and parameters; of a training step, storages."""
