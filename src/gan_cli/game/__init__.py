"""The paper: objectives, priors, the state of the game, and Algorithm 1."""
