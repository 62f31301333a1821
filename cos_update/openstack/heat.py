"""Heat: stacks, and the resources of each including its nested stacks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from sys import intern
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from cos_update.model.openstack import Output, Stack, StackContent
from cos_update.openstack.refusals import NotFound
from cos_update.openstack.session import ORCHESTRATION, ProjectSession

DEPTH = 5
"""Heat's default maximum depth of nested stacks, which caps larger `nested_depth` values."""
LISTED: Mapping[str, str] = {"limit": "1000", "with_count": "true"}
"""The query of a listing of stacks."""
MOST_LEVELS = 10
"""How many more times to descend where a tree was cut: at that depth, or at a nested stack that is gone."""
MOST_REQUESTS = 60
"""Maximum number of requests for the rest of a tree in which a nested stack is gone."""
_SERVERS = frozenset({"OS::Nova::Server", "AWS::EC2::Instance", "OS::Heat::ScaledResource"})
"""The last is the type of the children of an InstanceGroup and of AWS's AutoScalingGroup (Heat's source)."""
_VOLUMES = frozenset({"OS::Cinder::Volume", "AWS::EC2::Volume"})
_NETWORKS = frozenset({"OS::Neutron::Net", "OS::Neutron::ProviderNet"})


def stack_from(record: Mapping[str, Any]) -> Stack:
    """A stack as shown or listed. Its project comes from its own link, since `project` is often missing."""
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
    """Whether a stack is not nested and still exists."""
    return not record.get("parent") and record.get("stack_status") != "DELETE_COMPLETE"


def stack_url(session: ProjectSession, project_id: str, name: str = "", stack_id: str = "") -> str:
    """The URL of a project's stacks, or of one of them; admins may use any project."""
    base = session.endpoint(ORCHESTRATION).rpartition("/")[0]
    return "/".join(part for part in (f"{base}/{project_id}/stacks", quote(name, ""), stack_id) if part)


def show_stack(session: ProjectSession, url: str) -> Mapping[str, Any]:
    """The record of one stack, without outputs if these cannot be resolved. Raises CloudError; NotFound."""
    try:
        shown = session.get(ORCHESTRATION, url, key="stack", of_many=True)
    except NotFound:
        # Heat looks into nested stacks to resolve outputs, and may have found one of those missing.
        shown = session.get(ORCHESTRATION, url, {"resolve_outputs": "False"}, key="stack", of_many=True)
    record: Mapping[str, Any] = shown["stack"]
    return record


def read_content(session: ProjectSession, stack: Stack) -> StackContent:
    """The resource tree and outputs of a stack. Raises CloudError; NotFound if it is gone."""
    url = stack_url(session, stack.project_id, stack.name, stack.id)
    return content_of(session, stack, show_stack(session, url))


def content_of(session: ProjectSession, stack: Stack, shown: Mapping[str, Any]) -> StackContent:
    """As `read_content`, for a stack whose details (`shown`) have been fetched already."""
    url = stack_url(session, stack.project_id, stack.name, stack.id)
    resources, whole = _tree(session, url, stack.project_id)
    outputs = shown.get("outputs")
    return StackContent(
        servers=_ids(resources, _SERVERS),
        volumes=_ids(resources, _VOLUMES),
        networks=_ids(resources, _NETWORKS),
        outputs=tuple(_outputs(outputs)) if isinstance(outputs, list) else None,
        whole=whole and bool(resources),
    )


def _tree(session: ProjectSession, url: str, project_id: str) -> tuple[list[Mapping[str, Any]], bool]:
    """The resources that Heat lists, and whether they are complete.

    A nested stack without any may be cut off, so it is queried. While a stack is being deleted, a nested one may be
    gone before its parent; then Heat returns 404 for the parent's tree, and each level is queried separately.
    """
    found: list[Mapping[str, Any]] = []
    asked: set[str] = set()
    below = {""}
    is_whole = True
    left = MOST_REQUESTS
    for _ in range(MOST_LEVELS):
        for nested in sorted(below):
            each = f"{stack_url(session, project_id)}/{nested}" if nested else url
            if not is_whole:
                left -= 2
            if left < 0:
                return found, False
            resources = _resources(session, each, DEPTH)
            if resources is None:
                is_whole = False
                resources = _resources(session, each, 0)
            if resources is None and not nested:
                show_stack(session, url)  # raises if the stack itself is gone
            found += resources or ()
        asked |= below
        parents = {own for item in found if (own := _link(item, "stack"))}
        below = {nested for item in found if (nested := _link(item, "nested"))} - parents - asked
        if not below:
            break
    return found, is_whole and not below


def _resources(session: ProjectSession, url: str, depth: int) -> Sequence[Mapping[str, Any]] | None:
    """The resources of a stack and its nested stacks down to a depth; None if Heat returns 404."""
    try:
        params = {"nested_depth": str(depth)}
        page = session.get(ORCHESTRATION, f"{url}/resources", params, key="resources", of_many=True)
    except NotFound:
        return None
    resources: Sequence[Mapping[str, Any]] = page["resources"]
    return resources


def _link(resource: Mapping[str, Any], rel: str) -> str:
    """`<name>/<id>` of the stack that a resource belongs to (rel stack) or is (rel nested), URL-quoted."""
    for link in resource.get("links") or []:
        if link.get("rel") == rel:
            return str(link.get("href") or "").partition("/stacks/")[2]
    return ""


def _ids(resources: Iterable[Mapping[str, Any]], kinds: Collection[str]) -> tuple[str, ...]:
    """The ids of resources of these types, without template resources, whose id is that of a nested stack."""
    return tuple(
        sorted(
            {
                intern(str(item["physical_resource_id"]))
                for item in resources
                if item.get("resource_type") in kinds and item.get("physical_resource_id") and not _link(item, "nested")
            }
        )
    )


def _outputs(outputs: Sequence[Mapping[str, Any]]) -> Iterable[Output]:
    for item in sorted(outputs, key=lambda o: str(o.get("output_key"))):
        yield Output(str(item.get("output_key") or ""), item.get("output_value"), str(item.get("description") or ""))
