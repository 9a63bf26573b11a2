"""The control plane: the alignment job, what it decides, what it records and what it shows."""
