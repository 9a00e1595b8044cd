"""A gallery on disk, which is the truth: its rows in Parquet parts, its manifest, what people said about its pictures."""
