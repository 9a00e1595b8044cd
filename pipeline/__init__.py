"""Semblance's pipeline: pictures in, embeddings kept, nearest pictures out."""

import os
from pathlib import Path

__version__ = "0.1.0"
ROOT = Path(__file__).parents[1]  # the folder that holds pipeline/, app/, training/ and models/

# Before torch is loaded: a thread that waits for the others gives its core away soon. By GNU's OpenMP it spins for 300,000
# turns, and two programs on the same cores, such as the app and a training run, hold each other up by half and more
# (python -m benchmarks.threads). Who sets either variable knows better.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
