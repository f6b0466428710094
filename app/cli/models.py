"""hotline classify | train | evaluate | corpus: the classifier and its corpus."""

import typer
from rich.console import Console

corpus_app = typer.Typer(help="训练语料", no_args_is_help=True)
console = Console()
