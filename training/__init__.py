"""What makes the data files that anymask ships: rankings, samplers, int8 ranges."""
