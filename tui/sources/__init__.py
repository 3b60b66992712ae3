"""Threads that read runs and hand the screens immutable pictures of them."""
