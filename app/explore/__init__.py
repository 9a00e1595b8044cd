"""The Explore page: map, clusters, duplicates, label errors and outliers."""
