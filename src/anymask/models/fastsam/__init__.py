"""FastSAM: one pass of a YOLO network segments every object; prompts select among the segments."""
