"""What samples are worth: Parzen windows, their references, diversity, classes."""
