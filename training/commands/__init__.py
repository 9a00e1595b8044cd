"""The verbs of `python -m training`: each reads its options, calls one function and says what came of it."""
