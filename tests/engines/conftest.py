import sys
from pathlib import Path

sys.path += [
    str(Path(__file__).parent),
    str(Path(__file__).parents[1] / "sweeps"),
]  # for the modules of cases
