"""What a phase of training learns from: its batches and the loss over their embeddings. A file is one, its name that of `--loss`."""
