"""Our own measurements beside the paper's; rows come in as plain values from `app`."""
