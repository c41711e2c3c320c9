"""Settings: their types and ranges, and the objects that they describe."""
