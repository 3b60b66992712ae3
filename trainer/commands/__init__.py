"""What each command does; `trainer.cli` only parses and dispatches."""
