"""CN201–CN206: the batch axis."""
