"""Grids of images, curves and tables."""
