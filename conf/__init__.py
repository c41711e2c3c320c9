"""Hydra configs of `gan`: the only place where settings live."""
