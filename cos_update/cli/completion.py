"""What the shell offers where the answer is in the view.

Asked with every press of Tab: it does not speak, and what it cannot know it does not offer.
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
"""What every shell takes as one word without quotes; Click's scripts add none."""


def project_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The projects in the view of this data dir: by name, and by id where the name needs quotes or an id is begun.

    Whatever is wrong (no configuration, no view, a view that may not be read): nothing is offered.
    """
    projects: dict[str, str] = {}
    with contextlib.suppress(Exception), contextlib.redirect_stderr(io.StringIO()):
        projects = _known(ctx.find_root())
    names = [(name, key) if _ONE_WORD.fullmatch(name) else (key, name) for key, name in projects.items()]
    offered = [item for item in names if item[0].startswith(incomplete)]
    if not offered:
        offered = [item for item in projects.items() if item[0].startswith(incomplete)]
    # Shells print what they are given; a line break would be the end of one item for them.
    return [CompletionItem(word, help=clean(other)) for word, other in sorted(offered) if _ONE_WORD.fullmatch(word)]


def _known(root: click.Context) -> dict[str, str]:
    """Project id -> name, by the program's options as far as they are typed."""
    from cos_update.store import ViewStore

    context = Context(config=root.params["config"], data_dir=root.params["data_dir"])
    view = ViewStore(context.data_dir or context.folders().data_dir, "completion").peek()
    return {key: project.name for key, project in view.projects.items()} if view else {}
