"""The terminal app: draws what the rooms below know, and holds no truth of its own.

Nothing here imports torch, numpy or Lightning, and nothing but `tui.entry` is imported before the
app is wanted.
"""
