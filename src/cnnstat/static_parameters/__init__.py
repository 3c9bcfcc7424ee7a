"""The parameters of a model, without running it."""
