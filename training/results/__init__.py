"""What came of a run: measured, compared, embedded, exported with its card."""
