"""Plans, executors and the store of rows; reads the lab, and never the theory that judges rows."""
