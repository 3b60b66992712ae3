"""The built-in profiles: YAML files, one folder per group."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
"""Where the built-in profiles lie."""
