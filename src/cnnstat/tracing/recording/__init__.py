"""What is recorded during a run: calls, operators, gradients, storages."""
