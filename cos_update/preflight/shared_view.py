"""Checks view.pickle: which services it is for, since when, and who may read it."""

from __future__ import annotations

import grp
import pwd
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from cos_update.model.concertim import ApiFlavour
from cos_update.model.settings import Settings, ViewFor
from cos_update.preflight.finding import Finding, ok, warn
from cos_update.store import View, ViewStore

NAME = "view for"
_NEXT = "the next pass"


def shared_view(settings: Settings, store: ViewStore, memory: View | None) -> Iterator[Finding]:
    """The services that view.pickle is written for; `memory` is our own, if there is one. Raises ViewError."""
    wanted, there, path = settings.view_for, store.layout.form(), store.layout.view
    shared = memory.view_for if memory else ViewFor.NONE
    form = wanted or (there if there is not None and there is not ViewFor.NONE else shared)
    if form is ViewFor.NONE:
        yield _ours(path, there, shared)
        return
    if there is not form:
        state = f"{path.name} is not there" if not path.exists() else f"{path.name} is {_whose(there)}"
        yield warn(NAME, f"{form}, but {state} yet", f"nothing to do: {_NEXT} writes it")
    elif shared is not form or memory is None:
        yield ok(NAME, f"{form}, as the {path.name} of its own services; {_NEXT} takes their place")
    else:
        since, written = _moment(memory.view_for_since), _moment(path.stat().st_mtime)
        yield ok(NAME, f"{form} since {since}, written at {written}, readable to {readers(path)}")
    flavour = memory.actual.flavour if memory else None
    if flavour is not None and (form is ViewFor.CON_OPSTK) is not (flavour is ApiFlavour.USERS):
        text = f"the services of {form} do not support this Concertim's API ({flavour})"
        yield warn(NAME, text, f"set view_for to {'con_opstk' if flavour is ApiFlavour.USERS else 'conser'}, or none")


def _ours(path: Path, there: ViewFor | None, shared: ViewFor) -> Finding:
    if there is not None and there is not ViewFor.NONE:
        whose = f"{_whose(there)}, written from our memory" if shared is there else _whose(there)
        fix = f"set view_for to {there}, unless its services are gone"
        text = f"none, but {path.name} is {whose}: {_NEXT} replaces it by ours, which its services cannot load"
        return warn(NAME, text, fix)
    if not path.exists():
        return ok(NAME, f"none: {path.name} will be our own memory")
    return ok(NAME, f"none: {path.name} is our own memory, readable to {readers(path)}")


def _whose(form: ViewFor | None) -> str:
    return "nobody's" if form is None else "our own memory" if form is ViewFor.NONE else f"{form}'s"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def readers(path: Path) -> str:
    """Who may read a file (besides root), by its owner, group and mode. Raises OSError."""
    found = path.stat()
    who = []
    if found.st_mode & stat.S_IRUSR and found.st_uid != 0:
        who.append(f"user {_named(lambda: pwd.getpwuid(found.st_uid).pw_name, found.st_uid)}")
    if found.st_mode & stat.S_IRGRP:
        who.append(f"group {_named(lambda: grp.getgrgid(found.st_gid).gr_name, found.st_gid)}")
    if found.st_mode & stat.S_IROTH and path.parent.stat().st_mode & stat.S_IXOTH:
        who.append("everybody")
    return ", ".join(["root", *who])


def _named(name: Callable[[], str], number: int) -> str:
    try:
        return name()
    except KeyError:
        return str(number)
