"""traindeck's rooms: config composes, runs launches, engine trains, events tells what happened.

Importing this package costs nothing: each room is imported by whoever needs it, and only
`trainer.engine` and `trainer.recipes` ever import torch.
"""

__version__ = "0.1.0"
