"""The geometry of encoder and projector: pure functions of tensors."""
