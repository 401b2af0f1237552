"""`llm-relay usage`: what calls used."""

import typer

app = typer.Typer(help="What calls used.", no_args_is_help=True, add_completion=False)
