"""Sources of training data and shuffled minibatches."""
