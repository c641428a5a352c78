"""`python -m benchmarks [core] [footprint] [ops] [optim] [conv] [layers]`."""

import sys

from benchmarks.cli import main

sys.exit(main())
