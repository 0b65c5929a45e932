"""The digital baseline: one training step on a GPU."""
