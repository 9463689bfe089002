"""FastSAM: one YOLO segmentation pass finds every object; prompts select among them."""
