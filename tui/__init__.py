"""The terminal app. It draws what the rooms below know and never imports torch."""
