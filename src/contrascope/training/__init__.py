"""The loop, its optimisers and its checkpoints."""
