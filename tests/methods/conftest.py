import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # for method_cases, which worker processes run as a script
