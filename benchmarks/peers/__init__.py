"""Our work beside that of other projects, in one run: `python -m benchmarks.peers`."""
