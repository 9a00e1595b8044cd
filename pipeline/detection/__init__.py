"""Objects found in pictures by a detector, real or simulated, written as predictions."""
