"""Models in ONNX files: parsed, never executed; their weights are not read."""
