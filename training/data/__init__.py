"""Pictures made ready for training: decoded once, cut into splits, read back, augmented."""
