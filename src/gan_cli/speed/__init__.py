"""How fast training is: against the loop that people write, and against its products alone."""
