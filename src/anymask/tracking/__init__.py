"""Objects followed through the frames of a video, with a model for images."""
