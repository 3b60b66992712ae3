"""A config becomes a run folder; a light supervisor watches the process that trains in it."""
