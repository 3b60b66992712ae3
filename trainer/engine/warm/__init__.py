"""Warm workers: trials are forked from a process that has torch and Lightning loaded.

`python -m trainer.engine.warm FD` loads what every training needs, and waits for orders on a socket
(`trainer.runs.warm` gives them). For each it forks a supervisor, which forks the training process
when its time has come. Memory is shared until it is written to, so a start costs two forks in place
of two interpreters and seconds of imports.

The server computes nothing. A pool of threads would not survive a fork, and CUDA forbids one after
it was initialised; so it runs no tensor operation and looks for no device.
"""
