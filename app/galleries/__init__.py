"""The Galleries page: new ones, their care, fine-tuning on their labels."""
