"""Maps: many embeddings to points in two or three dimensions, one file each (records.Projector)."""
