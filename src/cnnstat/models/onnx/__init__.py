"""Models in ONNX files: parsed, never executed; large weights are not read."""
