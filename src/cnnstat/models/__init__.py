"""From a spec to a model on `meta`, or to the trace of an ONNX graph."""
