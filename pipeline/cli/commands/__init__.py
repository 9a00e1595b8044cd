"""One file a verb, or a family of verbs; each has `register(app)`."""
