"""The generated parts of the README: `python -m tests.reference` rewrites them.

They stand between comments `<!-- NAME -->` and `<!-- end of NAME -->`, and a test holds them against the program.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from cos_update.cli.lazy import LazyGroup
from cos_update.cli.main import cli
from cos_update.config.keys import SECTIONS, TOP
from cos_update.config.sample import SAMPLE
from cos_update.config.sections import known_keys
from cos_update.model.exit_codes import ExitCode

README = Path(__file__).parents[1] / "README.md"
_KEY = re.compile(r"^ *(?P<comment># *)?(?P<key>[a-z_]+):(?: +(?P<value>.*))?$")
_SECTION = re.compile(r"^(?:# )?(?P<name>[a-z]+):$")


def keys() -> str:
    """Every key of config.yaml, a table for each section: those that belong together in one row."""
    return "\n\n".join(
        f"{f'Section `{section}`:' if section else 'At the top:'}\n\n"
        "| key | default | meaning |\n|---|---|---|\n" + "\n".join(rows)
        for section, rows in _keys_by_section().items()
    )


def _keys_by_section() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"": []}
    section, comments, group = "", [], []

    def close() -> None:
        if group:
            names = ", ".join(f"`{name}`" for name, _ in group)
            defaults = ", ".join(f"`{value}`" if value else "-" for _, value in group)
            found[section].append(f"| {names} | {defaults} | {_cell(' '.join(comments))} |")
        group.clear()
        comments.clear()

    for line in SAMPLE.splitlines():
        known = known_keys(section) if section else {key.name for key in TOP}
        if (start := _SECTION.match(line)) and start["name"] in SECTIONS:
            close()
            section = start["name"]
            found[section] = []
        elif (key := _KEY.match(line)) and key["key"] in known:
            is_default = key["comment"] == "# "
            value = (key["value"] or "") if is_default else ""
            # An example of a key stands beside its default.
            others = [(name, default) for name, default in group if name != key["key"]]
            known_value = dict(group).get(key["key"], "")
            group[:] = [*others, (key["key"], value or known_value)]
        elif line.strip().startswith("#"):
            if group:
                close()
            comments.append(line.strip().lstrip("# "))
        else:
            close()
    close()
    return found


def commands() -> str:
    """Every command with its options."""
    return "\n\n".join(_command(path, command) for path, command in _leaves(cli, ""))


def _leaves(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _leaves(command, f"{path} {name}".strip())
        else:
            yield f"{path} {name}".strip(), command


def _command(path: str, command: click.Command) -> str:
    usage = " ".join(p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument))
    heading = f"#### `{f'cos-update {path} {usage}'.strip()}`\n\n{command.get_short_help_str(limit=1000)}"
    return "\n\n".join(filter(None, (heading, _options(command))))


def _options(command: click.Command) -> str:
    rows = [
        f"| `{', '.join((*option.opts, *option.secondary_opts))}` | {_cell(option.help or '')} |"
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
    ]
    return "\n".join(("| option | meaning |", "|---|---|", *rows)) if rows else ""


def program_options() -> str:
    """The options of the program itself."""
    assert isinstance(cli, LazyGroup)
    return _options(cli)


def exit_codes() -> str:
    """What every exit code means."""
    rows = (f"| {int(code)} | {_cell(code.meaning)} |" for code in ExitCode)
    return "\n".join(("| exit code | meaning |", "|---|---|", *rows))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PARTS: Mapping[str, Callable[[], str]] = {
    "keys of config.yaml": keys,
    "options of the program": program_options,
    "commands": commands,
    "exit codes": exit_codes,
}


def renewed(text: str) -> str:
    """The README with its generated parts as they should be. Raises ValueError when one has no place in it."""
    for name, part in PARTS.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->\n")
        if not (start and end):
            raise ValueError(f"README.md has no place for the {name}")
        text = f"{before}{start}\n{part()}\n\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(renewed(README.read_text()))
