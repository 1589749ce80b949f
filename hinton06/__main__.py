"""``python -m hinton06``."""

from hinton06.cli import main

main(prog_name="hinton06")
