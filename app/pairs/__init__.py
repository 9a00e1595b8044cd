"""The page Same or different?: verdicts, thresholds, identities."""
