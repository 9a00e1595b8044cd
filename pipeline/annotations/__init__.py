"""Objects in pictures as people annotated them: boxes and masks, read from the usual formats."""
