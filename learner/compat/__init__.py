"""Private parts of DeepSpeed that have no public name, each with its reason."""
