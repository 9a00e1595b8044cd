"""What is measured: retrieval, ranking, pairs, triplets, clusters, maps, detection, and intervals around each figure."""
