"""Films: those of their frames that are worth a search, each with its time."""
