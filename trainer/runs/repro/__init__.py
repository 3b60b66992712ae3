"""Can a run be repeated to the last bit, and was it?"""
