"""Shell completion of names that the view holds.

The shell runs this at every press of Tab: it prints no errors, and offers nothing when it cannot read the view.
"""

from __future__ import annotations

import contextlib
import io
import re

import click
from click.shell_completion import CompletionItem

from cos_update.cli.context import Context
from cos_update.cli.output.encoding import clean

_ONE_WORD = re.compile(r"[\w.@%+-]+")
"""Names that every shell reads as one word without quotes; Click's scripts add none."""


def project_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The projects in this data dir's view: by name, or by id if the name needs quotes or the word begins an id.

    Offers nothing if anything fails (no configuration, no view, an unreadable view).
    """
    projects: dict[str, str] = {}
    with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
        projects = _known(ctx.find_root())
    names = [(name, key) if _ONE_WORD.fullmatch(name) else (key, name) for key, name in projects.items()]
    offered = [item for item in names if item[0].startswith(incomplete)]
    if not offered:
        offered = [item for item in projects.items() if item[0].startswith(incomplete)]
    # Shells print completions as they are; a line break would end an item.
    return [CompletionItem(word, help=clean(other)) for word, other in sorted(offered) if _ONE_WORD.fullmatch(word)]


def _known(root: click.Context) -> dict[str, str]:
    """Project id -> name, according to the program options typed so far."""
    from cos_update.store import ViewStore

    context = Context(config=root.params["config"], data_dir=root.params["data_dir"])
    view = ViewStore(context.data_dir or context.folders().data_dir, "completion").peek()
    return {key: project.name for key, project in view.projects.items()} if view else {}
