"""A large module's parts: what is moved, cast or written at a time, so that nothing needs room for all of it."""

from collections.abc import Iterator

from torch import nn


def named_parts(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Children that have parameters, lists of blocks block by block; together they hold every parameter once."""
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"{name}.{part}", block) for part, block in named_parts(child))
        elif any(True for _ in child.parameters()):
            yield name, child
