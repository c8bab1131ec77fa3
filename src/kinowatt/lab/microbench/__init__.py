"""A GPU alone: rates, bandwidths, power and clocks of the operators that T2V models are made of."""
