"""What makes runs without data fast. Without it everything works, and takes longer."""
