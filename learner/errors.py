"""What ranks raise that the driver has an answer to; imports nothing, so that the driver need not have DeepSpeed."""


class NonFiniteGradient(RuntimeError):
    """A step whose gradient is not a number: the weights must not take it."""
