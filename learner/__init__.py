"""The learner: Ray actors that are DeepSpeed ranks, and the driver's view of them as one."""
