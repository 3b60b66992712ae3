"""Recipes: data, models and losses that plug into the engine."""
