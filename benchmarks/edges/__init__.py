"""How closely masks follow edges, at full resolution: drawn thin shapes and enlarged photographs."""
