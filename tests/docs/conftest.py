import sys
from pathlib import Path

HERE = Path(__file__).resolve()
for folder in (HERE.parents[2] / "tools", HERE.parent):
    sys.path.insert(0, str(folder))
