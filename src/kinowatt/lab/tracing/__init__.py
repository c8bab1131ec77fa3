"""How operators are read off a module: recording, fitting, merging, writing."""
