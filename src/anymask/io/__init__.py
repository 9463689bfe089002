"""Images in, files out: decoding, orientation, intensity windows, atomic writes, the cache folder."""
