"""Profiles compose into a validated config whose every value knows where it came from.

`trainer.config.compose` is where to begin. This package itself imports nothing, so that a command
which needs one part of it does not pay for the others.
"""
