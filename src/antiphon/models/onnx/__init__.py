"""Local models: a folder with an ONNX model and its tokenizer, run in one long-lived process of its own beside the server."""
