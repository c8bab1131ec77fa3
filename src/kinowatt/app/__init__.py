"""The command line: each command calls one function; no arithmetic."""
