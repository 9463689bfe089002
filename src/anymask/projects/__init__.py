"""Projects: a folder of images with their objects, classes and state, in an SQLite file and files beside it."""
