"""Heat: stacks, and what each holds through its nested stacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from sys import intern
from typing import Any
from urllib.parse import unquote, urlsplit

from cos_update.model.cloud import Output, Stack, StackContent
from cos_update.openstack.session import ORCHESTRATION, ProjectSession

DEPTH = 5
"""How deep Heat looks into nested stacks by default, whatever more is asked."""
MOST_LEVELS = 4
"""How often a tree that was cut at that depth is followed further down."""
_SERVER, _VOLUME, _NETWORK = "OS::Nova::Server", "OS::Cinder::Volume", "OS::Neutron::Net"


def stack_from(record: Mapping[str, Any]) -> Stack:
    """A stack as shown or listed. Its project stands in its own link, since `project` is often left out."""
    return Stack(
        id=intern(str(record["id"])),
        project_id=intern(project_of(record)),
        name=intern(str(record.get("stack_name") or "")),
        status=intern(str(record.get("stack_status") or "")),
        status_reason=str(record.get("stack_status_reason") or ""),
        owner=str(record.get("stack_owner") or ""),
        created=str(record.get("creation_time") or ""),
        updated=record.get("updated_time") or None,
        tags=tuple(str(tag) for tag in record.get("tags") or []),
        description=str(record.get("description") or ""),
    )


def project_of(record: Mapping[str, Any]) -> str:
    """The id of a stack's project, from its own link (`/v1/<project>/stacks/<name>/<id>`)."""
    for link in record.get("links") or []:
        if link.get("rel") == "self":
            before, found, _ = urlsplit(str(link.get("href") or "")).path.partition("/stacks/")
            if found:
                return unquote(before.rpartition("/")[2])
    return str(record.get("project") or "")


def is_top_level(record: Mapping[str, Any]) -> bool:
    """Whether a stack is a person's own and still there."""
    return not record.get("parent") and record.get("stack_status") != "DELETE_COMPLETE"


def stack_url(session: ProjectSession, project_id: str, name: str = "", stack_id: str = "") -> str:
    """The URL of a project's stacks, or of one of them; admins may use any project's."""
    base = session.endpoint(ORCHESTRATION).rpartition("/")[0]
    return "/".join(part for part in (f"{base}/{project_id}/stacks", name, stack_id) if part)


def read_content(session: ProjectSession, stack: Stack) -> StackContent:
    """What the stack holds, by its resource tree and its outputs. Raises CloudError; NotFound when it is gone."""
    url = stack_url(session, stack.project_id, stack.name, stack.id)
    return content_of(session, stack, session.get(ORCHESTRATION, url, key="stack")["stack"])


def content_of(session: ProjectSession, stack: Stack, shown: Mapping[str, Any]) -> StackContent:
    """As `read_content`, of a stack that was `shown` already."""
    url = stack_url(session, stack.project_id, stack.name, stack.id)
    resources, whole = _tree(session, url, stack.project_id)
    outputs = shown.get("outputs")
    return StackContent(
        servers=_ids(resources, _SERVER),
        volumes=_ids(resources, _VOLUME),
        networks=_ids(resources, _NETWORK),
        outputs=tuple(_outputs(outputs)) if isinstance(outputs, list) else None,
        whole=whole and bool(resources),
    )


def _tree(session: ProjectSession, url: str, project_id: str) -> tuple[list[Mapping[str, Any]], bool]:
    found: list[Mapping[str, Any]] = []
    urls = [url]
    cut: set[str] = set()
    for _ in range(MOST_LEVELS):
        below: list[str] = []
        for each in urls:
            page = session.get(ORCHESTRATION, f"{each}/resources", {"nested_depth": str(DEPTH)}, key="resources")
            found += page["resources"]
        parents = {own for item in found if (own := _link(item, "stack"))}
        cut = {nested for item in found if (nested := _link(item, "nested")) and nested not in parents}
        below = [stack_url(session, project_id, *nested.split("/")) for nested in sorted(cut)]
        if not below or below == urls:
            break
        urls = below
    return found, not cut


def _link(resource: Mapping[str, Any], rel: str) -> str:
    """`<name>/<id>` of the stack that a resource belongs to (rel stack) or is (rel nested)."""
    for link in resource.get("links") or []:
        if link.get("rel") == rel:
            return unquote(str(link.get("href") or "").partition("/stacks/")[2])
    return ""


def _ids(resources: Iterable[Mapping[str, Any]], kind: str) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                intern(str(item["physical_resource_id"]))
                for item in resources
                if item.get("resource_type") == kind and item.get("physical_resource_id")
            }
        )
    )


def _outputs(outputs: Sequence[Mapping[str, Any]]) -> Iterable[Output]:
    for item in sorted(outputs, key=lambda o: str(o.get("output_key"))):
        yield Output(str(item.get("output_key") or ""), item.get("output_value"), str(item.get("description") or ""))
