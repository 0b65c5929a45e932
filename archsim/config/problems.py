"""pydantic's errors as sentences with a file, a line and a remedy.

All errors of a tree come in one `InputError`, one line each, in the order of the file:
`file:line:col: dotted.path: found X, expected Y. Did you mean 'z'?`
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pydantic import ValidationError

from archsim.config.nodes import (
    OVERRIDE,
    Block,
    Items,
    Leaf,
    Node,
    Position,
    children,
    dotted,
)
from archsim.config.shapes import (
    Trace,
    components_of,
    field_quantity,
    fields_of,
    inner_fields,
    kinds_of,
    valid_paths,
)
from archsim.errors import InputError, did_you_mean, nearest
from archsim.fields import Component


class Problem(NamedTuple):
    """One finding about one value."""

    position: Position
    message: str

    def __str__(self) -> str:
        return f"{self.position}: {self.message}"


def as_input_error(problems: Iterable[Problem]) -> InputError:
    """All problems in one error, ordered by position, one per line."""
    ordered = sorted(set(problems))
    if len(ordered) == 1:
        return InputError(ordered[0].message, place=str(ordered[0].position))
    lines = "\n".join(f"  {problem}" for problem in ordered)
    return InputError(f"{len(ordered)} errors:\n{lines}", place=ordered[0].position.file)


def translate(error: ValidationError, model: type[Component], block: Block) -> list[Problem]:
    """Every finding of a failed validation of `block` by `model`."""
    details = error.errors(include_url=False, include_input=False)
    return [_problem(detail, model, block) for detail in details]


def _problem(detail: Any, model: type[Component], block: Block) -> Problem:
    trace = Trace(model, block).follow(detail["loc"])
    sentence = _SENTENCES.get(detail["type"], _unexpected)
    position, message = sentence(detail, trace, block)
    path = dotted(trace.path)
    prefix = "" if not path or message.startswith(f"{path}.") else f"{path}: "
    return Problem(position, f"{prefix}{message}")


Sentence = Callable[[Any, Trace, Block], tuple[Position, str]]


def _here(trace: Trace) -> Position:
    return trace.node.position if trace.node is not None else trace.parent.position


def describe(node: Node | None) -> str:
    """A value as messages show it."""
    match node:
        case None:
            return "nothing"
        case Block():
            return "a mapping"
        case Items():
            return "a list"
        case Leaf():
            text = node.text if len(node.text) <= 60 else f"{node.text[:57]}..."
            return f"'{text}'"


def _end(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


def _missing(_detail: Any, trace: Trace, _root: Block) -> tuple[Position, str]:
    quantity = field_quantity(trace.model, trace.path[-1]) if trace.model is not None else None
    kinds = _kinds(trace)
    if quantity is not None:
        expected = quantity.expected()
    elif kinds:
        expected = f"expected a mapping with one of the kinds: {', '.join(kinds)}"
    else:
        expected = "it must be given"
    return trace.parent.position, _end(f"missing, {expected}")


def _unknown(_detail: Any, trace: Trace, root: Block) -> tuple[Position, str]:
    key = trace.path[-1]
    known = fields_of(trace.model) if trace.model is not None else {}
    entries = trace.parent.entries if isinstance(trace.parent, Block) else {}
    position = entries[key].position if key in entries else _here(trace)
    close = nearest(key, known)
    if close is not None:
        return position, f"unknown key '{key}'. Did you mean '{dotted((*trace.path[:-1], close))}'?"
    elsewhere = _elsewhere(trace, root)
    if elsewhere is not None:
        return position, f"unknown key '{key}'. Did you mean '{elsewhere}'?"
    return position, f"unknown key '{key}'. {did_you_mean('', known)}".rstrip()


def _elsewhere(trace: Trace, root: Block) -> str | None:
    """A valid path in another block that ends with the same key."""
    found = [p for p in valid_paths(trace.root, root) if p[-1] == trace.path[-1]]
    return dotted(found[0]) if found else None


def _quantity(detail: Any, trace: Trace, _root: Block) -> tuple[Position, str]:
    context = detail["ctx"]
    why = f" ({context['why']})" if "why" in context else ""
    return _here(trace), _end(f"found {describe(trace.node)}{why}, {context['expected']}")


def _choice(detail: Any, trace: Trace, _root: Block) -> tuple[Position, str]:
    choices = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
    word = trace.node.text if isinstance(trace.node, Leaf) else ""
    close = nearest(word, choices)
    hint = f" Did you mean '{close}'?" if close else ""
    return _here(trace), (
        f"found {describe(trace.node)}, expected one of: {', '.join(choices)}.{hint}"
    )


def _kinds(trace: Trace) -> list[str]:
    models = components_of(trace.annotation)
    return [kind for model in models for kind in kinds_of(model)] if len(models) > 1 else []


def _kind(_detail: Any, trace: Trace, _root: Block) -> tuple[Position, str]:
    """A union of components whose `kind` is absent or names none of them."""
    kinds = _kinds(trace)
    listed = ", ".join(kinds)
    if not isinstance(trace.node, Block):
        return _here(trace), (
            f"found {describe(trace.node)}, expected a mapping with one of the kinds: {listed}."
        )
    entry = trace.node.entries.get("kind")
    if entry is None:
        return trace.node.position, f"found no 'kind', expected one of: {listed}."
    word = entry.node.text if isinstance(entry.node, Leaf) else ""
    close = nearest(word, kinds)
    hint = f" Did you mean '{close}'?" if close else ""
    return entry.node.position, (
        f"found kind {describe(entry.node)}, expected one of: {listed}.{hint}"
    )


def _mapping(detail: Any, trace: Trace, root: Block) -> tuple[Position, str]:
    """Something else where a component is needed."""
    if _kinds(trace):
        return _kind(detail, trace, root)
    return _here(trace), f"found {describe(trace.node)}, expected a mapping."


_PATH = re.compile(r"[a-z_]\w*(?:\.\w+)*")
_QUOTED = re.compile(r"'([^']+)'")
_WORD = re.compile(r"[a-z]\w*")


def _from_model(detail: Any, trace: Trace, root: Block) -> tuple[Position, str]:
    """A component's own rule; it may begin with the path, or the key, that it speaks of."""
    message = str(detail["ctx"]["error"])
    start: Node = trace.node if trace.node is not None else root
    position = _named(message, start) or _named(message, root) or _here(trace)
    if isinstance(start, Block):
        position = _by_the_user(message, start, root, position)
    return position, _end(message)


def _named(message: str, node: Node) -> Position | None:
    """Where the path, or the value in quotes, lies below `node` with which a message begins."""
    match = _PATH.match(message)
    if match is not None:
        return _at_dotted(node, match.group())
    quoted = _QUOTED.match(message)
    if quoted is None:
        return None
    if isinstance(node, Block) and quoted[1] in node.entries:
        return node.entries[quoted[1]].position
    return next((leaf.position for _, leaf in node.leaves() if leaf.text == quoted[1]), None)


def _at_dotted(node: Node, path: str) -> Position | None:
    """The position of the node at a dotted path, whose keys may hold dots themselves."""
    for key, child in children(node):
        if path == key:
            return child.position
        if path.startswith(f"{key}."):
            found = _at_dotted(child, path[len(key) + 1 :])
            if found is not None:
                return found
    return None


def _by_the_user(message: str, block: Block, root: Block, position: Position) -> Position:
    """Where a value that the rule of `block` is about was written nearer to the user, if one was.

    A rule over two values names one of them, and it may be the other that was changed: one that the
    message names too, or one of the same family (`conductance_max` and `conductance_reference`).
    """
    mine = {
        key: entry.node.position
        for key, entry in block.entries.items()
        if isinstance(entry.node, Leaf)
        and _nearness(entry.node.position, root) > _nearness(position, root)
    }
    words = _WORD.findall(message)
    related = [key for key in words if key in mine]
    families = {word.partition("_")[0] for word in words if word in block.entries}
    related += [key for key in mine if key.partition("_")[0] in families]
    return max((mine[key] for key in related), key=lambda p: _nearness(p, root), default=position)


def _nearness(position: Position, root: Block) -> int:
    """2 for a value set on its own, 1 for one in the file that was asked for, 0 if inherited."""
    if position.file.startswith(OVERRIDE):
        return 2
    return int(position.file == root.position.file)


_EXPECTED = {
    "string_type": "text (in quotes, if it looks like a number)",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "none_required": "null",
}


def _unexpected(detail: Any, trace: Trace, _root: Block) -> tuple[Position, str]:
    """Any other error: pydantic's own words for what it wanted."""
    wanted = detail["msg"].removeprefix("Input should be ")
    expected = _EXPECTED.get(detail["type"], wanted)
    return _here(trace), _end(f"found {describe(trace.node)}, expected {expected}")


_SENTENCES: dict[str, Sentence] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "quantity": _quantity,
    "literal_error": _choice,
    "enum": _choice,
    "union_tag_invalid": _kind,
    "union_tag_not_found": _kind,
    "model_type": _mapping,
    "model_attributes_type": _mapping,
    "value_error": _from_model,
    "assertion_error": _from_model,
}


def loose_booleans(value: object, node: Node, path: tuple[str, ...] = ()) -> list[Problem]:
    """Booleans that pydantic made of text or numbers: only true and false are booleans here."""
    if not (isinstance(value, Component) and isinstance(node, Block)):
        return []
    problems = []
    for key, name, is_flag in inner_fields(type(value)):
        entry = node.entries.get(key)
        if entry is None:
            continue
        inner = getattr(value, name)
        if not is_flag:
            problems += loose_booleans(inner, entry.node, (*path, key))
        elif isinstance(inner, bool) and entry.node.plain() is not inner:
            found = describe(entry.node)
            problems.append(
                Problem(
                    entry.node.position,
                    f"{dotted((*path, key))}: found {found}, expected true or false.",
                )
            )
    return problems
