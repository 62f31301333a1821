"""The endpoints of templates."""

from __future__ import annotations

import uuid
from dataclasses import replace

from cos_update.fakes.concertim.call import Call
from cos_update.fakes.concertim.checks import check_length, check_number, is_blank
from cos_update.fakes.concertim.params import objects, scalars
from cos_update.fakes.concertim.problems import Errors, Refusal, failure, not_found, unknown_attribute
from cos_update.fakes.concertim.records import Json, Template
from cos_update.fakes.concertim.shapes import template_shape
from cos_update.fakes.concertim.state import State
from cos_update.fakes.concertim.values import COLUMN_LIMIT, integer, refuse_unstorable, small_integer, text
from cos_update.model.concertim import ApiFlavour

COLUMNS = ("name", "description", "height", "tag", "foreign_id", "vcpus", "ram", "disk", "version", "images")
TEXTS = ("name", "description", "foreign_id")
SIZES = ("vcpus", "ram", "disk")
CHANGEABLE = (*TEXTS, *SIZES)
IMAGE_HEIGHTS = range(1, 7)
"""The heights for which the app has pictures of its own."""


async def index(call: Call) -> object:
    """GET /templates: the device templates."""
    templates = call.state.listed(tuple(call.state.templates.values()))
    return [template_shape(call.state, template) for template in templates if not template.hidden]


async def create(call: Call) -> object:
    """POST /templates."""
    call.root_only()
    given = _permitted(call, (*CHANGEABLE, "height", *_tag_field(call.state)))
    template = Template(str(uuid.uuid4()), "", integer(given.get("height")) or 0)
    template.tag = text(given.get("tag"))
    images = objects(call.params.root("template"), ["images"]).get("images", {})
    errors = _check(call.state, template, given, creating=True)
    height = given.get("height")
    if height is None or height == "":
        errors.add("height", "blank")
    check_number(errors, "height", height, whole=True, above=0)
    if not images and template.height not in IMAGE_HEIGHTS:
        errors.add("images", "No images found for template height")
    if template.tag is not None and _tag_taken(call.state, template):
        errors.add("tag", "taken")
    errors.refuse()
    template.images = images
    small_integer(height)
    _assign(template, given)
    await call.between()
    if template.tag is not None and _tag_taken(call.state, template):
        raise _not_unique("index_templates_on_tag", "tag", template.tag)
    call.state.templates[template.id] = call.state.touched(template)
    return template_shape(call.state, template)


async def update(call: Call) -> object:
    """PATCH /templates/:id; height, tag and version are ignored."""
    template = find(call.state, call.id)
    call.root_only()
    given = _permitted(call, CHANGEABLE)
    _check(call.state, template, given, creating=False).refuse()
    _assign(replace(template), given)
    await call.between()
    _assign(template, given)
    template.images = objects(call.params.root("template"), ["images"]).get("images", template.images)
    call.state.touched(template)
    return template_shape(call.state, template)


async def delete(call: Call) -> object:
    """DELETE /templates/:id; `recurse` deletes the devices that use it too."""
    template = find(call.state, call.id)
    call.root_only()
    devices = [device for device in call.state.devices.rows() if device.template_id == template.id]
    if devices and not call.params.asks("recurse"):
        raise Refusal(422, {"errors": "devices have been created from this template"})
    if template.hidden and call.state.racks:
        raise failure(
            "ActiveRecord::InvalidForeignKey",
            'PG::ForeignKeyViolation: ERROR:  update or delete on table "templates" violates foreign key '
            'constraint "fk_rails_ff867a9673" on table "racks"\n'
            f'DETAIL:  Key (id)=({template.id}) is still referenced from table "racks".\n',
        )
    for device in devices:
        call.state.devices.pop(device.id, None)
    call.state.templates.pop(template.id, None)
    return {}


def find(state: State, template_id: object) -> Template:
    """The template with this id. Raises the 404."""
    template = state.templates.get(template_id) if isinstance(template_id, str) else None
    if template is None:
        raise not_found()
    return template


def _permitted(call: Call, names: tuple[str, ...]) -> Json:
    call.params.wrap("template", COLUMNS)
    root = call.params.root("template")
    if "schema_version" in root:
        raise unknown_attribute("schema_version", "Template")
    return scalars(root, names)


def _tag_field(state: State) -> tuple[str, ...]:
    return () if state.flavour is ApiFlavour.USERS else ("tag",)


def _check(state: State, template: Template, given: Json, *, creating: bool) -> Errors:
    errors = Errors()
    if creating or "name" in given:
        name = text(given.get("name"))
        refuse_unstorable(name, limit=None)
        if is_blank(name):
            errors.add("name", "blank")
        check_length(errors, "name", name, COLUMN_LIMIT)
        others = (other for other in tuple(state.templates.values()) if other.id != template.id)
        if any(other.name == name for other in others):
            errors.add("name", "taken")
    for field in ("description", "foreign_id"):
        check_length(errors, field, text(given.get(field)), COLUMN_LIMIT)
    for field in SIZES:
        if given.get(field) not in (None, ""):
            check_number(errors, field, given[field], whole=True, above=0)
    return errors


def _assign(template: Template, given: Json) -> None:
    """Set the given fields. Raises the 500s for what cannot be stored, before anything is set."""
    texts = {field: text(given[field]) for field in TEXTS if field in given}
    sizes = {field: small_integer(given[field]) for field in SIZES if field in given}
    refuse_unstorable(*texts.values(), template.tag)
    for field, value in [*texts.items(), *sizes.items()]:
        setattr(template, field, value)


def _tag_taken(state: State, template: Template) -> bool:
    return any(other.tag == template.tag for other in tuple(state.templates.values()) if other.id != template.id)


def _not_unique(index_name: str, column: str, value: str) -> Refusal:
    return failure(
        "ActiveRecord::RecordNotUnique",
        f'PG::UniqueViolation: ERROR:  duplicate key value violates unique constraint "{index_name}"\n'
        f"DETAIL:  Key ({column})=({value}) already exists.\n",
    )
