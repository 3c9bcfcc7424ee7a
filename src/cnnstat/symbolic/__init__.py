"""Models with symbolic input sizes: formulas, valid sizes, and costs over a range."""
