"""Experiments of `take_experiments.py`: one module each, and what they measure with."""
