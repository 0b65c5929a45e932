"""Small builders that write the built-in networks as genuine ONNX models, one file per family."""
