"""Heat v1: stacks, their outputs and their resources."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from aiohttp import web

from cos_update.fakes.openstack.records import Resource, Stack
from cos_update.fakes.openstack.service import Call, Refusal, Service, found, listing, page_of

MAX_DEPTH = 5
"""The default of max_nested_stack_depth."""
EXPLANATIONS = {
    400: (
        "Bad Request",
        "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    ),
    403: ("Forbidden", "Access was denied to this resource."),
    404: ("Not Found", "The resource could not be found."),
}


def refusal(status: int, error: str, message: str = "") -> Refusal:
    """A refusal in Heat's form; without a message, the explanation is used."""
    title, explanation = EXPLANATIONS[status]
    return Refusal(
        status,
        {
            "code": status,
            "title": title,
            "explanation": explanation,
            "error": {"type": error, "traceback": None, "message": message or explanation},
        },
    )


class Heat(Service):
    """Stacks of the token's project; for an admin, of all projects, whatever project the path names."""

    name = "heat"
    prefix = "/orchestration"

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for end in ("", "/"):
            self.get(router, end, self._root, open_=True)
        stacks = "/v1/{project}/stacks"
        self.get(router, stacks, self._stacks, query="global_tenant show_nested tenant limit marker with_count")
        # aiohttp's own pattern takes no braces.
        named = stacks + "/{name:[^/]+}"
        self.get(router, named, self._redirect, query="resolve_outputs")
        self.get(router, named + "/resources", self._redirect, query="nested_depth type with_detail")
        self.get(router, named + "/{id}", self._stack, query="resolve_outputs")
        self.get(router, named + "/{id}/resources", self._resources, query="nested_depth type with_detail")

    def bad_request(self, message: str) -> Refusal:
        return refusal(400, "HTTPBadRequest", message)

    def _root(self, call: Call) -> web.Response:
        links = [{"rel": "self", "href": f"{self.url}/v1/"}]
        return found({"versions": [{"id": "v1.0", "status": "CURRENT", "links": links}]}, 300)

    def _stacks(self, call: Call) -> web.Response:
        _check_path(call)
        everywhere = self._flag(call, "global_tenant")
        if everywhere and not self._global_index_allowed(call):
            raise refusal(403, "Forbidden", "You are not authorized to use stacks:global_index.")
        nested = self._flag(call, "show_nested")
        stacks = [
            stack
            for stack in reversed(self.state.stacks.values())
            if stack.deleted is None
            and (nested or stack.parent_id is None)
            and (call.is_admin or stack.project_id == call.project_id)
            and call.query("tenant") in (None, stack.project_id)
        ]
        size = self.page_size(self._limit(call))
        page = page_of(stacks, call.query("marker"), size)
        if page is None:  # a deleted marker does not limit the listing: it starts over
            page = stacks[:size]
        links = self.next_link(call, page[-1].id) if page and len(page) == size else []
        with_project = everywhere or (call.is_admin and self.state.stacks_name_project)
        items = [self._json(stack, with_project) for stack in page]
        count = len(stacks) if self._flag(call, "with_count") else None
        return listing("stacks", items, "links", links, count)

    def _json(self, stack: Stack, with_project: bool) -> str:
        return stack.as_json((with_project, self.url), lambda: self._summary(stack, with_project))

    def _global_index_allowed(self, call: Call) -> bool:
        return call.is_admin and (call.is_system or self.state.global_stacks_allowed)

    def _redirect(self, call: Call) -> web.Response:
        """The lookup by name only, in the token's own project, or by id only."""
        _check_path(call)
        wanted = call.part("name")
        stack = self.state.stacks.get(wanted) or self._own_stack(call, wanted)
        if stack is None or not self._may_see(call, stack):
            raise _no_stack(wanted)
        rest = "/resources" if call.request.path.endswith(f"/{wanted}/resources") else ""
        query = f"?{call.request.query_string}" if call.request.query_string else ""
        location = self._href(stack, stack.project_id) + rest + query
        return web.Response(
            status=302, headers={"Location": location}, content_type="text/html", text="<html>302 Found</html>"
        )

    def _own_stack(self, call: Call, name: str) -> Stack | None:
        living = (stack for stack in self.state.stacks.values() if stack.name == name and stack.deleted is None)
        return next((stack for stack in living if stack.project_id == call.project_id), None)

    def _stack(self, call: Call) -> web.Response:
        stack = self._find(call)
        outputs = call.query("resolve_outputs") is None or self._flag(call, "resolve_outputs")
        return found({"stack": self._whole(stack, outputs)})

    def _find(self, call: Call) -> Stack:
        _check_path(call)
        stack = self.state.stacks.get(call.part("id"))
        if stack is None or stack.name != call.part("name") or not self._may_see(call, stack):
            raise _no_stack(call.part("name"))
        return stack

    def _may_see(self, call: Call, stack: Stack) -> bool:
        return call.is_admin or stack.project_id == call.project_id

    def _resources(self, call: Call) -> web.Response:
        stack = self._find(call)
        types = call.request.query.getall("type", [])
        if len(types) > 1:
            raise refusal(400, "HTTPBadRequest")
        depth = call.query("nested_depth") or "0"
        if not depth.isdecimal():
            raise self.bad_request("Only integer is acceptable by 'nested_depth'.")
        tree = self._tree(stack, None, min(int(depth), MAX_DEPTH))
        views = [
            self._resource(call, owner, resource, parent)
            for owner, resource, parent in tree
            if not types or resource.type == types[0]
        ]
        return found({"resources": views})

    def _tree(self, stack: Stack, parent: str | None, depth: int) -> Iterator[tuple[Stack, Resource, str | None]]:
        """The resources of a stack, then those of its nested stacks: (their stack, the resource, its parent's name).

        Raises Refusal when one of these is gone.
        """
        for resource in stack.resources.values():
            yield stack, resource, parent
        for resource in stack.resources.values() if depth else ():
            if resource.nested is None:
                continue
            if resource.nested.id not in self.state.stacks:
                raise _no_stack(resource.nested.id)
            yield from self._tree(resource.nested, resource.name, depth - 1)

    def _flag(self, call: Call, name: str) -> bool:
        value = call.query(name)
        if value is None or value.lower() == "false":
            return False
        if value.lower() != "true":
            raise self.bad_request(f'Unrecognized value "{value}" for "{name}", acceptable values are: true, false.')
        return True

    def _limit(self, call: Call) -> int | None:
        limit = call.query("limit")
        if limit is not None and not limit.isdecimal():
            raise self.bad_request("Only integer is acceptable by 'limit'.")
        return None if limit is None else int(limit)

    def _href(self, stack: Stack, project_id: str) -> str:
        return f"{self.url}/v1/{project_id}/stacks/{quote(stack.name)}/{stack.id}"

    def _summary(self, stack: Stack, with_project: bool) -> dict[str, object]:
        return {
            "id": stack.id,
            "links": [{"href": self._href(stack, stack.project_id), "rel": "self"}],
            **({"project": stack.project_id} if with_project else {}),
            "stack_name": stack.name,
            # The listing does not load the template, and so has no description.
            "description": "",
            "stack_status": stack.status,
            "stack_status_reason": stack.reason,
            **_times(stack),
            "stack_owner": stack.owner,
            "parent": stack.parent_id,
            "stack_user_project_id": stack.user_project_id,
            "tags": stack.tags or None,
        }

    def _whole(self, stack: Stack, outputs: bool) -> dict[str, object]:
        return {
            "stack_name": stack.name,
            "id": stack.id,
            "links": [{"href": self._href(stack, stack.project_id), "rel": "self"}],
            **_times(stack),
            "notification_topics": [],
            "parameters": {
                "OS::stack_id": stack.id,
                "OS::project_id": stack.project_id,
                "OS::stack_name": stack.name,
                **stack.parameters,
            },
            "description": stack.description,
            "template_description": stack.description,
            "capabilities": [],
            "disable_rollback": True,
            "timeout_mins": 30,
            "stack_owner": stack.owner,
            "parent": stack.parent_id,
            "stack_user_project_id": stack.user_project_id,
            "tags": stack.tags,
            "stack_status": stack.status,
            "stack_status_reason": stack.reason,
            **({"outputs": stack.outputs} if outputs else {}),
        }

    def _resource(self, call: Call, owner: Stack, resource: Resource, parent: str | None) -> dict[str, object]:
        stack_href = self._href(owner, owner.project_id)
        links = [
            {"href": f"{stack_href}/resources/{quote(resource.name)}", "rel": "self"},
            {"href": stack_href, "rel": "stack"},
        ]
        if resource.nested is not None:
            # The path's project is the caller's, not the stack's, and only in this link.
            nested = self._href(resource.nested, call.project_id or owner.project_id)
            links.append({"href": nested, "rel": "nested"})
        return {
            "updated_time": f"{resource.updated:%Y-%m-%dT%H:%M:%SZ}",
            "creation_time": f"{resource.created:%Y-%m-%dT%H:%M:%SZ}",
            "logical_resource_id": resource.name,
            "resource_name": resource.name,
            "physical_resource_id": resource.physical_id,
            "resource_status": resource.status,
            "resource_status_reason": resource.reason,
            "resource_type": resource.type,
            "links": links,
            "required_by": resource.required_by,
            **({"parent_resource": parent} if parent is not None else {}),
        }


def _check_path(call: Call) -> None:
    if call.part("project") != call.project_id and not call.is_admin:
        raise refusal(403, "HTTPForbidden")


def _no_stack(name: str) -> Refusal:
    return refusal(404, "EntityNotFound", f"The Stack ({name}) could not be found.")


def _times(stack: Stack) -> dict[str, object]:
    times = {"creation_time": stack.created, "updated_time": stack.updated, "deletion_time": stack.deleted}
    return {name: f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None for name, at in times.items()}
