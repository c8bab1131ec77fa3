"""Pure functions from facts to numbers: no I/O, no clock, no hardware; on floats and on arrays."""
