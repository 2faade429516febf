"""Which augmentation suits these images."""
