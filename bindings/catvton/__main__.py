"""python -m catvton: the same as the command `catvton`."""

import sys

from .cli import main

sys.exit(main())
