"""Measure how well objects are followed through frames, with J&F as DAVIS has it."""
