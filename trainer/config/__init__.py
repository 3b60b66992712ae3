"""Profiles compose into a validated config whose every value knows where it came from."""
