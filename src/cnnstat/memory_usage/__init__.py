"""Prediction of the memory of a step, without a device."""
