"""Meters of energy: one contract, one file per source, one registry."""
