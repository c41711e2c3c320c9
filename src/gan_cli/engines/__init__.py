"""How an update is executed: in one pass, in mixed precision, as a CUDA graph, compiled."""
