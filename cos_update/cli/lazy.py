"""A group that imports its commands only to run them, so that `--help` and completion are fast."""

from __future__ import annotations

import importlib
import sys
import traceback
from dataclasses import dataclass
from typing import IO, Any

import click
from click.shell_completion import CompletionItem

from cos_update import file_hints
from cos_update.cli import options
from cos_update.cli.output.encoding import clean, echo
from cos_update.cli.output.streams import OutputError
from cos_update.model.errors import ConfigError, ConfigErrors, CosUpdateError
from cos_update.model.exit_codes import ExitCode


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """The location of a command (`module:attribute`) and the first sentence of its help."""

    target: str
    short_help: str

    def load(self) -> click.Command:
        module, _, attribute = self.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


class Failure(click.ClickException):
    """One or more errors, each with a message and a hint on what to do next."""

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("\n".join(message for message, _ in errors))
        self.errors = errors

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the errors on stderr."""
        for message, hint in self.errors:
            for line in f"Error: {message}\n{hint}".rstrip().splitlines():
                click.echo(clean(line), file=file or sys.stderr)


class LazyGroup(click.Group):
    """The group of all commands. It turns exceptions into messages; -vv adds tracebacks."""

    def __init__(self, *args: Any, lazy: dict[str, LazyCommand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command of that name."""
        lazy = self.lazy.get(cmd_name)
        return options.accepted_anywhere(lazy.load()) if lazy else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command, or suggests similar names."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # late, for `--help` is to be quick

            near = difflib.get_close_matches(args[0], self.lazy)
            if args[0].startswith("-") or not near:
                raise
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {' or '.join(near)}?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them, and the exit codes."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.short_help) for name, lazy in self.lazy.items()])
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), code.meaning) for code in ExitCode])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and options, without importing anything."""
        names = [
            CompletionItem(name, help=lazy.short_help)
            for name, lazy in self.lazy.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; exceptions become messages."""
        try:
            return super().invoke(ctx)
        except ConfigErrors as error:
            _trace(ctx)
            raise Failure(*((str(fault), fault.hint) for fault in error.faults)) from error
        except CosUpdateError as error:
            _trace(ctx)
            message = str(error) if isinstance(error, ConfigError) else _known_redacted(str(error))
            raise Failure((message, error.hint)) from error
        except KeyboardInterrupt:
            raise click.Abort from None
        except (click.ClickException, click.exceptions.Exit, click.Abort, OutputError):
            raise
        except OSError as error:
            _trace(ctx)
            raise Failure((_known_redacted(_of_the_system(error)), file_hints.hint(error))) from error
        except Exception as error:
            hint = "This is a bug; please report it, with the traceback" + ("." if _trace(ctx) else " that -vv shows.")
            raise Failure((_redacted(f"{type(error).__name__}: {error}"), hint)) from error


def _of_the_system(error: OSError) -> str:
    reason = file_hints.words(error)
    return f"{error.filename}: {reason}." if error.filename else f"The operating system reported: {reason}."


def _trace(ctx: click.Context) -> bool:
    wanted = getattr(ctx.obj, "verbosity", 0) >= 2
    if wanted:
        echo(_redacted(traceback.format_exc()), err=True, nl=False)
    return wanted


def _known_redacted(text: str) -> str:
    from cos_update.observability.redaction import hidden

    return hidden.known(text)


def _redacted(text: str) -> str:
    from cos_update.observability.redaction import hidden

    return hidden(text)
