"""Events of a run: written as JSON lines, read back incrementally, kept as bounded series."""
