"""What surrounds the updates: the trainer, checkpoints, metrics, optimizers, signals."""
