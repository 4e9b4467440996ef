"""`python -m unioneyes.console ENVIRONMENT [HOME]`: what `ue serve` becomes."""

import sys

from unioneyes.console.serve import main

sys.exit(main(sys.argv[1:]))
