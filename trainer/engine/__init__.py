"""The training process: reads a resolved config and trains. The only room with torch, besides recipes."""
