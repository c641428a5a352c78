"""`python -m benchmarks [core] [ops] [optim]`."""

import sys

from benchmarks.cli import main

sys.exit(main())
