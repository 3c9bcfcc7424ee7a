"""One run of a model on tensors without data: copies, lanes, observers, failures."""
