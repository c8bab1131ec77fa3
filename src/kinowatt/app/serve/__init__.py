"""`kinowatt serve`: REST and dashboard on this machine. Edge only: every answer is a verb's."""
