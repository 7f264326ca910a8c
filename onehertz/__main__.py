"""`python -m onehertz` is the `onehertz` command."""

from onehertz.cli.main import main

main()
