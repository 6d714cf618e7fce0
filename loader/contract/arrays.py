"""How a JSON array becomes a one-dimensional Postgres array without losing or guessing anything.

A column of type ``integer[]`` takes ``[1, 2, null]``: JSON, at every door, for it is the one way
of writing a list that says where a text ends. Each element is judged by the element's own type,
as if it came alone; arrays in arrays and objects are refused. Postgres's own spelling
(``{1,2}``) is not taken: it can't tell ``NULL`` from the text of that name in other programs' hands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loader.contract.types import DataType

#: Element types whose plain spelling stands in JSON without quotes.
_BARE = {"smallint": "[1-9][0-9]{0,3}", "integer": "[1-9][0-9]{0,8}", "bigint": "[1-9][0-9]{0,17}"}
#: A JSON string without escapes: neither quotes nor what JSON does not take as it is.
_WORD = r'"[^"\\\x01-\x1f]*"'
#: An SQL literal: the pattern of a JSON string.
_TEXT = r"""'"([^"\\]|\\.)*"'"""
_QUOTED = ("date", "timestamp", "timestamptz", "time", "uuid")


def accepts(element: DataType, value: str) -> str:
    """SQL that is true when the text expression ``value`` can be stored as it is meant.

    That it is flat is seen first, with its texts taken out: whatever lies deep inside brackets
    never reaches Postgres's parser, which ends a load at some depth.
    """
    fits = element.accepts("_item._word")
    without_texts = f"regexp_replace({value}, {_TEXT}, '', 'g')"
    return (
        f"(case when {without_texts} !~ '^\\s*\\[[^][{{}}\"]*\\]\\s*$' then false "
        f"when not pg_input_is_valid({value}, 'jsonb') then false "
        f"else not exists (select from json_array_elements_text(({value})::json) as _item (_word) "
        f"where _item._word is not null and ({fits}) is not true) end)"
    )


def cast(element: DataType, value: str) -> str:
    """SQL for the typed array; only to be evaluated where :func:`accepts` is true."""
    # an absent value has no elements either, and is not an empty list
    elements = f"array_agg({element.cast('_item._word')} order by _item._place)"
    return (
        f"(case when ({value}) is not null then (select coalesce({elements}, '{{}}')::{element.sql}[] "
        f"from json_array_elements_text(({value})::json) with ordinality as _item (_word, _place)) end)"
    )


def plain(element: DataType) -> str | None:
    """A pattern of arrays that are certain to be storable (see ``DataType.plain``)."""
    if element.family in _BARE:
        one = f"(0|-?{_BARE[element.family]})"
    elif element.family == "boolean":
        one = "(true|false)"
    elif element.family == "text":
        one = _WORD
    elif element.family in _QUOTED and element.plain:
        one = f'"({element.plain[1:-1]})"'
    else:
        return None
    return f"^\\[({one}(, ?{one})*)?\\]$"


def expects(element: DataType) -> str:
    """What a value must look like, as words."""
    example = _EXAMPLES.get(element.family, "[1, 2, null]")
    return f"must be a JSON array such as {example}; each element {element.expects}"


_EXAMPLES = {
    "text": '["a", null]',
    "varchar": '["a", null]',
    "boolean": "[true, false, null]",
    "date": '["2024-02-29", null]',
    "timestamp": '["2024-02-29T13:45:00", null]',
    "timestamptz": '["2024-02-29T13:45:00Z", null]',
    "time": '["13:45:00", null]',
    "uuid": '["3f1c9a52-0b6e-4d6f-9a3e-5b2f6f0f7c11", null]',
}
