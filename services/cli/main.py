"""The `oars` command: names every sub-command, and shows a user's mistake as one line with exit code 2."""

import sys
from io import TextIOWrapper
from typing import Any

import typer
from typer.core import TyperGroup

from oars.errors import UserError
from services.cli import (
    align,
    bench,
    compass,
    doctor,
    evaluate,
    experiment,
    export,
    miniature,
    models,
    runs,
    score,
    serve,
    simulate,
    study,
    upscale,
)
from services.run.errors import BAD_INPUT, one_line
from services.run.quiet import quiet_libraries


class _OneLineErrors(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        if isinstance(sys.stdout, TextIOWrapper):  # a file's name may be no text that the terminal can show
            sys.stdout.reconfigure(errors="backslashreplace")
        quiet_libraries()
        try:
            return super().invoke(ctx)
        except (UserError, ExceptionGroup) as error:
            if (line := one_line(error)) is None:
                raise
            typer.echo(f"error: {line}", err=True)
            raise typer.Exit(BAD_INPUT) from error


app = typer.Typer(
    name="oars",
    cls=_OneLineErrors,
    help="Process-aware online alignment of generative real-world super-resolution.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command()(align.align)
app.command()(upscale.upscale)
app.command()(score.score)
app.command()(export.export)
app.command("eval")(evaluate.evaluate)
app.command()(experiment.experiment)
app.command()(simulate.simulate)
app.command()(runs.report)
app.command()(doctor.doctor)
app.add_typer(bench.app, name="bench")
app.add_typer(compass.app, name="compass")
app.add_typer(serve.app, name="serve")
app.add_typer(runs.app, name="runs")
app.add_typer(study.app, name="study")
app.add_typer(miniature.app, name="miniature")
app.add_typer(models.app, name="models")

if __name__ == "__main__":
    app()
