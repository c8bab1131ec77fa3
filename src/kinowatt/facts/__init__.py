"""What the world says, as data: models, components, operators, GPUs, grids, prices, with sources."""
