"""How the app (Rails with PostgreSQL) converts sent values to stored ones."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from cos_update.fakes.concertim.problems import Refusal, failure
from cos_update.fakes.concertim.records import Json

COLUMN_LIMIT = 255
INTEGER_LIMIT = 2**31
FALSE_WORDS = frozenset({"0", "f", "false", "off"})
SCIENTIFIC = 1e16
"""From here on Ruby writes floats with an exponent, which the JSON column stores as integers."""

_LEADING_INTEGER = re.compile(r"\s*([+-]?\d+)")
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d+)?\s*")


def boolean(value: object) -> bool | None:
    """A boolean column: "" is null, a few words are false, any other value is true ("None" and "no" too)."""
    if value is None or value == "":
        return None
    return not (value is False or value == 0 or str(value).lower() in FALSE_WORDS)


def integer(value: object) -> int | None:
    """An integer column: words are 0, fractions are cut off, what has no integer form is null."""
    if isinstance(value, int | float):
        return int(value)
    if not isinstance(value, str) or not value.strip():
        return None
    leading = _LEADING_INTEGER.match(value)
    return int(leading[1]) if leading else 0


def small_integer(value: object) -> int | None:
    """An integer column of 4 bytes; raises the 500 that a larger number provokes when it is saved."""
    number = integer(value)
    if number is not None and not -INTEGER_LIMIT <= number < INTEGER_LIMIT:
        raise failure(
            "ActiveModel::RangeError",
            f"{number} is out of range for ActiveModel::Type::Integer with limit 4 bytes",
        )
    return number


def text(value: object) -> str | None:
    """A text column: every value has a string form, lists in Ruby's own."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    return inspect(value)


def inspect(value: object) -> str:
    """The value as Ruby 3.1 writes it in `inspect`."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ", ".join(map(inspect, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{inspect(key)}=>{inspect(item)}" for key, item in value.items()) + "}"
    return str(value)


def decimal(value: object) -> Decimal | None:
    """A decimal column; "" and invalid numbers are null."""
    if value is None or isinstance(value, bool | list | dict):
        return None
    try:
        return Decimal(str(value).strip())
    except InvalidOperation:
        return None


def moment(value: object) -> datetime | None:
    """A datetime column: invalid values are null, without an error."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def number(value: object) -> Decimal | None:
    """The number that a numeric validation sees in a sent value; None if it is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    return Decimal(str(value).strip())


def money(value: Decimal) -> str:
    """The cost of a rack or device as it is shown: rounded to two decimals (it is stored unrounded)."""
    return str(value.quantize(Decimal("0.01"), ROUND_HALF_UP))


def plain_decimal(value: Decimal) -> str:
    """A team's cost or credits as they are shown: unrounded, with at least one decimal."""
    shown = format(value.normalize(), "f")
    return shown if "." in shown else shown + ".0"


def stored(value: object) -> object:
    """A JSON value as a JSON column gives it back: keys by length and then alphabet, huge floats as integers."""
    if isinstance(value, dict):
        ordered = sorted(value.items(), key=lambda item: (len(item[0].encode()), item[0].encode()))
        return {key: stored(item) for key, item in ordered}
    if isinstance(value, list):
        return [stored(item) for item in value]
    if isinstance(value, float) and abs(value) >= SCIENTIFIC:
        return int(Decimal(repr(value)))
    return value


def stored_object(value: Json) -> Json:
    """`stored` for the columns that hold objects; raises the 500 for a NUL character anywhere in it."""
    refuse_nul_in_json(value)
    found = stored(value)
    return found if isinstance(found, dict) else {}


def refuse_nul_in_json(value: object) -> None:
    """Raises the 500 that a NUL character in a JSON column provokes."""
    if isinstance(value, dict):
        for key, item in value.items():
            refuse_nul_in_json(key)
            refuse_nul_in_json(item)
    elif isinstance(value, list):
        for item in value:
            refuse_nul_in_json(item)
    elif isinstance(value, str) and "\0" in value:
        raise failure(
            "ActiveRecord::StatementInvalid",
            "PG::UntranslatableCharacter: ERROR:  unsupported Unicode escape sequence\n"
            "DETAIL:  \\u0000 cannot be converted to text.\n",
        )


def refuse_unstorable(*values: str | None, limit: int | None = COLUMN_LIMIT) -> None:
    """Raises the 500s of text columns: a NUL character, or more characters than the column holds."""
    for value in values:
        if value is None:
            continue
        if "\0" in value:
            raise failure("ArgumentError", "string contains null byte")
        if limit is not None and len(value) > limit:
            raise too_long()


def too_long() -> Refusal:
    """The 500 for a text that only the column's width limits."""
    return failure(
        "ActiveRecord::ValueTooLong",
        "PG::StringDataRightTruncation: ERROR:  value too long for type character varying(255)\n",
    )


def refuse_null_cost(cost: Decimal | None, table: str) -> Decimal:
    """The cost, which the database does not let be null; raises the 500 for it."""
    if cost is None:
        raise null_in("cost", table)
    return cost


def null_in(column: str, table: str) -> Refusal:
    """The 500 for a null that only the database refuses."""
    return failure(
        "ActiveRecord::NotNullViolation",
        f'PG::NotNullViolation: ERROR:  null value in column "{column}" of relation "{table}" violates '
        "not-null constraint\nDETAIL:  Failing row contains (...).\n",
    )
