"""Readers of foreign formats: files of other tools as plain rows, what each says and where."""
