"""Tables, figures and the report of the reproduction."""
