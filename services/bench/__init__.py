"""The load generator behind `oars bench`: requests, loops, gateways, and the account of what came back."""
