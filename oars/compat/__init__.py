"""Private parts of diffusers that have no public name, each with its reason."""
