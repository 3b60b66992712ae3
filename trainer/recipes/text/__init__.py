"""Text: a small GPT that learns to write Python, byte by byte, from the standard library's sources."""
