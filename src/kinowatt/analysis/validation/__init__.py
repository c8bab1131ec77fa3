"""Predicted against measured on rows that the fit did not see, in several ways of leaving out.

`cases`: what was measured and predicted, by scheme; `score`: errors, coverage and widths of some
cases; `baselines`: what a user would do instead; `targets`: what is promised; `compose`: all of it
as tables.
"""
