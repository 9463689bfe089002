"""Lets `python -m anymask` be the `anymask` command."""

import sys

from anymask.cli import main

if __name__ == "__main__":
    sys.exit(main())
