"""Draws the plots of a sweep, in a process of its own: the only room with matplotlib and torch both."""
