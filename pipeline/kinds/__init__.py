"""The 1,000 kinds of things that ImageNet names: which of them a word means, and how likely a picture shows one."""
