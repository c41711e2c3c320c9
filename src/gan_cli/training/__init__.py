"""The game: objectives, priors, optimizers, the step, the loop, checkpoints."""
