"""`ue`, as its wheel would install it."""

import sys

from unioneyes.cli.main import main

sys.exit(main())
