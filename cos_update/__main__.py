"""`python -m cos_update` is the program `cos-update`."""

from cos_update.cli.main import main

main()
