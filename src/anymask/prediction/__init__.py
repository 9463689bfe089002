"""Promptable prediction: an image is encoded once; masks for points, boxes and text then take milliseconds."""
