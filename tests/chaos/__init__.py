"""Processes are killed on purpose; afterwards everything that was promised is there, in order, once by its id."""
