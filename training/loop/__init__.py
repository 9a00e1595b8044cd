"""A run on its way: checked and begun, stepped, measured on dev, kept in checkpoints."""
