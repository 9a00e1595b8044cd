"""Pictures that are there twice: identical files, the same picture edited, look-alikes."""
