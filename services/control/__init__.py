"""The control plane of a run: admission, the life of groups, the conductor."""
