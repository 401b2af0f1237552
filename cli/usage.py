"""`llm-relay usage`: what calls used, and what they cost."""

import typer

from cli.reprice import reprice

app = typer.Typer(help="What calls used, and what they cost.", no_args_is_help=True, add_completion=False)

app.command()(reprice)


@app.callback()
def _group() -> None:
    """What calls used, and what they cost."""
