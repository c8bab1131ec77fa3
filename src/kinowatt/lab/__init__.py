"""The only place that touches torch and hardware; it never sees the theory that judges its rows."""
