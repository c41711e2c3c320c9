"""Data sets, as uint8 tensors split in three, and minibatches of them."""
