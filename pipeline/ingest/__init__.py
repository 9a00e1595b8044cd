"""Pictures become rows: opened, encoded, committed to the gallery and copied into Milvus."""
