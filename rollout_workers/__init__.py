"""The Ray actors that sample K candidates a group, and their pool."""
