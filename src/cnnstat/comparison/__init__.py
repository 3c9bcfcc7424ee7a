"""Differences between models."""
