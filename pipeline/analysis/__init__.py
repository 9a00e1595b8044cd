"""What a gallery is made of: maps, clusters and their terms, outliers, likely label errors."""
