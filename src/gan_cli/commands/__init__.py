"""One file for each command: config in, library calls, files out."""
