"""Sees facts and theory: predictions, comparisons, calibration, the paper's reproduction."""
