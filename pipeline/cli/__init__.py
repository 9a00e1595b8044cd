"""The command line: `python -m pipeline VERB`, and what `training` shares of it."""
