"""The audit: what physics, predictions and other rows say against a file of measurements."""
