"""Bad inputs for the gateways of COMPASS: what they are, how they are sent, and what counts as a fault."""
