"""A query of pictures, regions, words and judgments becomes the nearest pictures of a gallery."""
