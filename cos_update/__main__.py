"""`python -m cos_update` runs `cos-update`."""

from cos_update.cli.main import main

main()
