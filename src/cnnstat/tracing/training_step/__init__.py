"""One step of training on tensors without data: loss, optimizer, sharding."""
