"""Write the generated pages."""

from pathlib import Path

from docs.generate.configuration import configuration
from docs.generate.metrics import metrics

PAGES = {"configuration.md": configuration, "metrics.md": metrics}

if __name__ == "__main__":
    for name, render in PAGES.items():
        (Path(__file__).parents[1] / name).write_text(render())
