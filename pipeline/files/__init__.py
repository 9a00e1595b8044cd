"""Files that are written whole or not at all, checked when read, downloaded, unpacked and listed."""
