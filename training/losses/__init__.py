"""What training minimises over a labelled batch. A file is one loss and its name is that of `--loss`.

A loss is a module: forward(embeddings (n, dim) float32 of unit length, labels (n,) int64 in [0, n_labels)) to a
scalar, called outside autocast: bf16 is too coarse for distances. Its parameters, if it has any, are trained too.
"""
