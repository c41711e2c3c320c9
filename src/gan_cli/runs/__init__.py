"""The run directory: files, resuming, provenance, sweeps, reports."""
