"""The parts that screens are made of; none of them reads a file."""
