"""From an ONNX file to a forward graph and its training graph."""
