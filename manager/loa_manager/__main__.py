"""``python -m loa_manager`` is the command ``loa``."""

from loa_manager.cli.main import main

main()
