"""Samples of a trained generator, and paths through z-space."""
