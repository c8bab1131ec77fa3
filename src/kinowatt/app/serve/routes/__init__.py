"""One file per group of endpoints, each with a `router`."""
