"""Pictures: grids and plots."""
