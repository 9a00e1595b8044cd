"""A gallery leaves and comes in: Parquet, NumPy, BSON, MongoDB, Milvus bulk files, backups."""
