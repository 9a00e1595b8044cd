"""The Training page: runs, their curves and triplets."""
