"""The load generator behind `oars bench`: requests, loops, doors, and the account of what came back."""
