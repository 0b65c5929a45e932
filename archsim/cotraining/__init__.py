"""Training the ONNX network itself, on the tiles and in float32, from the same start and data."""
