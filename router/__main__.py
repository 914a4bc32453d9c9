"""`python -m router` is the command `maitre`."""

from router.cli.main import main

main()
