"""Teaching an encoder what "similar" means; it meets pipeline only in run folders and exported checkpoints."""
