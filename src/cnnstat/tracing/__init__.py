"""The recorder: runs a model once on tensors without data and writes down what happened."""
