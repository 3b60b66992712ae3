"""Text: a small GPT on bytes."""
