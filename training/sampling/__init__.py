"""Which pictures, pairs and triplets a step sees, and triplets as files."""
