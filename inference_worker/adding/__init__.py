"""From somebody's ONNX file to a model's folder: what the graph shows, and what is assumed."""
