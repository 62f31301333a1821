"""Stacks and their resources: the state behind Heat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from cos_update.fakes.openstack.identity import Identity
from cos_update.fakes.openstack.records import Project, Resource, Stack

RESOURCE_GROUP = "OS::Heat::ResourceGroup"
Holder = Project | Stack
"""Where a server, volume or network is created: in a project, or in a stack (of any depth) as its resource."""


class Stacks(Identity):
    """Stacks, nested ones included, by id; deleted ones stay, as DELETE_COMPLETE."""

    def __init__(self, seed: int, admin: bool) -> None:
        super().__init__(seed, admin)
        self.stacks: dict[str, Stack] = {}
        self._stacks_with: defaultdict[str, set[str]] = defaultdict(set)

    def create_stack(
        self,
        project: Project,
        name: str,
        *,
        status: str = "CREATE_COMPLETE",
        reason: str = "",
        description: str = "",
        tags: Iterable[str] = (),
        parameters: Mapping[str, str] | None = None,
        outputs: Mapping[str, object] | None = None,
    ) -> Stack:
        """A new top-level stack without resources, and the helper project that Heat makes for it."""
        with self.lock:
            stack_id = self.new_uuid()
            helper = self._add_project(
                f"{project.id}-{stack_id}"[:64], self.heat_domain.id, None, "Heat stack user project"
            )
            stack = Stack(
                stack_id,
                project.id,
                name,
                self.owner_of(project.id).name,
                helper.id,
                self.now(),
                status=status,
                reason=reason or _reason(status),
                description=description,
                tags=list(tags),
                parameters=dict(parameters or {}),
            )
            self.stacks[stack.id] = stack
            self.set_outputs(stack, outputs or {})
            return stack

    def add_nested(self, parent: Stack, name: str, resource_type: str = RESOURCE_GROUP) -> Stack:
        """A resource of `parent` that expands to a nested stack; returns that stack."""
        with self.lock:
            stack = Stack(
                self.new_uuid(),
                parent.project_id,
                f"{parent.name}-{name}-{self.new_suffix()}",
                parent.owner,
                parent.user_project_id,
                self.now(),
                parent_id=parent.id,
            )
            self.stacks[stack.id] = stack
            self.add_resource(parent, name, resource_type, stack.id).nested = stack
            return stack

    def add_resource(
        self,
        stack: Stack,
        name: str,
        resource_type: str,
        physical_id: str = "",
        status: str = "CREATE_COMPLETE",
    ) -> Resource:
        """A resource of any type; `physical_id` "" for one that does not exist yet. A taken name is extended."""
        with self.lock:
            if name in stack.resources:
                name = f"{name}-{self.new_suffix()}"
            now = self.now()
            resource = Resource(self.new_uuid(), name, resource_type, physical_id, now, now, status)
            stack.resources[name] = resource
            self._stacks_with[physical_id].add(stack.id)
            return resource

    def remove_resources_of(self, physical_id: str) -> None:
        """Remove this object's resources from their stack, without any other visible change."""
        with self.lock:
            for stack in self.stacks.values():
                stack.resources = {
                    name: resource for name, resource in stack.resources.items() if resource.physical_id != physical_id
                }

    def lose_nested(self, nested: Stack) -> None:
        """A nested stack is gone before its parent, whose resource still names it."""
        with self.lock:
            del self.stacks[nested.id]

    def set_outputs(self, stack: Stack, outputs: Mapping[str, object]) -> None:
        """Replace a stack's outputs (any JSON values)."""
        with self.lock:
            stack.outputs = [
                {"output_key": key, "description": "No description given", "output_value": value}
                for key, value in outputs.items()
            ]

    def begin(self, stack: Stack, action: str = "UPDATE") -> None:
        """Start an action (UPDATE, SUSPEND, RESUME, CHECK, DELETE ...); only an update sets the update time."""
        with self.lock:
            self._set_status(stack, f"{action}_IN_PROGRESS")
            if action == "UPDATE":
                stack.updated = self.now()

    def complete(self, stack: Stack) -> None:
        """Let the current action succeed."""
        self._end(stack, "COMPLETE", "")

    def fail(self, stack: Stack, reason: str = "Resource failed: went to status ERROR") -> None:
        """Let the current action fail."""
        self._end(stack, "FAILED", reason)

    def update_stack(self, stack: Stack) -> None:
        """A whole update: in progress and complete at once."""
        with self.lock:
            self.begin(stack)
            self.complete(stack)

    def top_of(self, stack: Stack) -> Stack:
        """The top-level stack above a nested one."""
        with self.lock:
            while stack.parent_id is not None:
                stack = self.stacks[stack.parent_id]
            return stack

    def find_stack(self, project: Project, name: str) -> Stack:
        """The existing top-level stack of this name; raises KeyError if there is none."""
        with self.lock:
            for stack in self.stacks.values():
                if stack.project_id == project.id and stack.name == name and not stack.deleted:
                    return stack
        raise KeyError(name)

    def _mark_deleted(self, stack: Stack) -> None:
        self._set_status(stack, "DELETE_COMPLETE")
        stack.deleted = self.now()
        stack.resources = {}

    def _end(self, stack: Stack, end: str, reason: str) -> None:
        with self.lock:
            action, _, state = stack.status.partition("_")
            if state != "IN_PROGRESS":
                raise ValueError(f"nothing is in progress: {stack.name} is {stack.status}")
            self._set_status(stack, f"{action}_{end}", reason)

    def _set_status(self, stack: Stack, status: str, reason: str = "") -> None:
        stack.status = status
        stack.reason = reason or _reason(status)


def _reason(status: str) -> str:
    action, _, state = status.partition("_")
    ends = {"IN_PROGRESS": "started", "COMPLETE": "completed successfully", "FAILED": "failed"}
    return f"Stack {action} {ends[state]}"
