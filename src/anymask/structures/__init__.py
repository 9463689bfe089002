"""Data types and pure geometry: prompts, masks, boxes, polygons, transforms, overlap, NMS."""
