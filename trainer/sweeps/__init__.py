"""Sweeps: what varies, the trials that come of it, driving them to their end, and what they show.

A sweep is a folder beside the run folders; each trial is an ordinary run that names the sweep as
its parent. Nothing here imports torch or numpy.
"""
