"""Section 4 of the paper by numbers, and its Figure 1."""
