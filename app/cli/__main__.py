"""`python -m app.cli`: the hotline command without an installed script."""

from app.cli import main

main()
