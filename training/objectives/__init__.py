"""What a phase learns from: its batches and the loss over their embeddings. A file is one objective and its name is that of `--loss`."""
