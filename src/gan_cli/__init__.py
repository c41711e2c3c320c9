"""Generative adversarial nets (Goodfellow et al., 2014) as a command-line laboratory."""
