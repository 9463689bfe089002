"""SAM 2.1 on images: the Hiera encoder and the decoder with high-resolution features, as ONNX graphs."""
