"""The Evaluate page: figures, reports, encoders and embedding sizes compared."""
