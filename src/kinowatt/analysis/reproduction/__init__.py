"""The paper recomputed from its published data: tables, figure data, claims, findings."""
