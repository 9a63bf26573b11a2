"""Faults in a running alignment, in turn and then at random; the table of what was noticed, when, and at what cost."""
