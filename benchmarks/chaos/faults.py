"""Every fault by name, in the order in which `--faults all` inflicts them."""

from benchmarks.chaos.files import DISK, FILES
from benchmarks.chaos.nodes import NODES
from benchmarks.chaos.roles import KILLS, STOPS
from benchmarks.chaos.watching import Fault

FAULTS: dict[str, Fault] = KILLS | STOPS | FILES | DISK | NODES
IN_NAMESPACES = {*DISK, *NODES}
"""Those that need a disk and a network of our own."""
