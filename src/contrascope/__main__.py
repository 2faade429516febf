"""`python -m contrascope`, which torchrun needs: several processes are started as a module."""

import sys

from contrascope.cli import main

if __name__ == "__main__":
    sys.exit(main())
