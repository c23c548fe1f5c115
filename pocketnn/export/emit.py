"""C statements for one op of a step program: loops around the op table's C column."""

from __future__ import annotations

from collections.abc import Sequence

from pocketnn.arith import OPS
from pocketnn.export.graph import Node
from pocketnn.export.layout import ELEMENTWISE
from pocketnn.export.places import Place
from pocketnn.export.spelling import Operand, Spelling

__all__ = ["flat_loop", "index_type", "node_lines"]

_INDICES = ("i", "j", "l", "m", "n", "o", "p", "q")  # k is the position in a fold


def index_type(count: int) -> str:
    """The type of a loop index that reaches `count`."""
    return "uint16_t" if count <= 0xFFFF else "uint32_t"


def _loops(axes: Sequence[tuple[str, int]], body: list[str]) -> list[str]:
    """Nested loops around a body, the first axis outermost."""
    for index, length in reversed(axes):
        head = f"for ({index_type(length)} {index} = 0; {index} < {length}; {index}++) {{"
        body = [head, *[f"    {line}" for line in body], "}"]
    return body


def flat_loop(length: int, body: list[str]) -> list[str]:
    """One loop over i."""
    return _loops([("i", length)], body)


def node_lines(node: Node, operands: Sequence[Place], result: Place, spell: Spelling) -> list[str]:
    """The statements that compute `result` from `operands`."""
    op = node.code.op.name
    if op in ELEMENTWISE:
        return _elementwise(node, operands, result, spell)
    return _OTHERS[op](node, operands, result, spell)


def _operand(place: Place, indices: Sequence[str]) -> Operand:
    return Operand(place.at(indices), place.bits)


def _axes(shape: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip(_INDICES, shape, strict=False))


def _elementwise(node: Node, operands: Sequence[Place], result: Place, spell: Spelling) -> list[str]:
    op, to = node.code.op, node.code.to
    varying = operands[:1] if op.name in ("select", "reshape") else operands
    flat = op.name == "reshape" or all(x.size == 1 or (x.shape == result.shape and not x.rows) for x in varying)
    if flat:
        axes = [("i", result.size)]
        values = [Operand(_flat(x, result), x.bits) for x in varying]
    else:
        axes = _axes(result.shape)
        values = [_operand(x, [index for index, _ in axes]) for x in varying]
    target = f"{result.name}[i]" if flat else result.at([index for index, _ in axes])
    if op.name == "div":
        body = _division(target, values, operands[1].literal, node, spell)
    elif op.name == "select":
        body = _ladder(target, values[0], operands[1], operands[2], node, spell)
    else:
        body = [f"{target} = {spell.value(op, values, to)};"]
    return _loops(axes, body)


def _flat(x: Place, result: Place) -> str:
    """Element i of a value of the result's size, or the only one."""
    if x.literal is not None:
        return x.name
    return f"{x.name}[i]" if x.size == result.size else f"{x.name}[0]"


def _division(target: str, values: list[Operand], literal: int | None, node: Node, spell: Spelling) -> list[str]:
    """Truncating; MIN / -1 overflows as the negation that it is; x / 0 is the register's greatest number."""
    to = node.code.to
    by_zero = f"{target} = {to.word.hi};"
    negated = f"{target} = {spell.value(OPS['neg'], values[:1], to)};"
    # |a / b| <= |a|, so the quotient has no more bits than the dividend
    quotient = f"{target} = {spell.fit(Operand(node.code.op.c.format(*[x.text for x in values]), values[0].bits), to)};"
    if literal is not None:
        return [by_zero if literal == 0 else negated if literal == -1 else quotient]
    divisor = values[1].text
    return [
        f"if ({divisor} == 0) {{",
        f"    {by_zero}",
        f"}} else if ({divisor} == -1) {{",
        f"    {negated}",
        "} else {",
        f"    {quotient}",
        "}",
    ]


def _ladder(target: str, x: Operand, below: Place, choices: Place, node: Node, spell: Spelling) -> list[str]:
    """The first choice whose bound lies above x, else the last."""
    chosen = spell.fit(Operand(choices.at(["k"]), choices.bits), node.code.to)
    if below.size == 0:
        return [f"{target} = {spell.fit(Operand(choices.at(['0']), choices.bits), node.code.to)};"]
    return [
        "uint16_t k = 0;",
        f"while (k < {below.size} && !({node.code.op.c.format(x.text, below.at(['k']))})) {{",
        "    k++;",
        "}",
        f"{target} = {chosen};",
    ]


def _mac(node: Node, operands: Sequence[Place], result: Place, spell: Spelling) -> list[str]:
    to = node.code.to
    a, b = operands
    product = spell.product(node.code.op, [_operand(a, ["i", "k"]), _operand(b, ["k", "j"])], to)
    fold = [f"acc = {spell.accumulate('acc', product, to)};"]
    body = [
        f"{spell.accumulator(to)} acc = 0;",
        *_loops([("k", a.shape[1])], fold),
        f"{result.at(['i', 'j'])} = {spell.accumulated('acc', to)};",
    ]
    return _loops(_axes(result.shape), body)


def _sum(node: Node, operands: Sequence[Place], result: Place, spell: Spelling) -> list[str]:
    to = node.code.to
    (x,), (axis,) = operands, node.code.params
    indices = [index for index, _ in _axes(result.shape)]
    inner = [*indices[:axis], "k", *indices[axis + 1 :]]
    kind = spell.term_type(x.bits, to)
    fold = [
        f"const {kind} term = {x.at(inner)};",  # a name for it: gcc 12 warns of `acc + (uint32_t)narrower`
        f"acc = {spell.accumulate('acc', Operand('term', x.bits), to)};",
    ]
    body = [
        f"{spell.accumulator(to)} acc = 0;",
        *_loops([("k", x.shape[axis])], fold),
        f"{result.at(indices)} = {spell.accumulated('acc', to)};",
    ]
    return _loops([pair for number, pair in enumerate(_axes(result.shape)) if number != axis], body)


def _transpose(node: Node, operands: Sequence[Place], result: Place, spell: Spelling) -> list[str]:
    (x,), (axes,) = operands, node.code.params
    indices = [index for index, _ in _axes(result.shape)]
    source = [indices[axes.index(axis)] for axis in range(len(axes))]
    value = spell.value(node.code.op, [_operand(x, source)], node.code.to)
    return _loops(_axes(result.shape), [f"{result.at(indices)} = {value};"])


def _gather(node: Node, operands: Sequence[Place], result: Place, spell: Spelling) -> list[str]:
    (x,), (table,) = operands, node.code.params
    axes = _axes(result.shape)
    lead = [index for index, _ in axes[: len(x.shape) - 1]]
    places = Place("from", "int32_t", 32, table.shape, "from")
    source = places.at([index for index, _ in axes])
    value = spell.value(node.code.op, [_operand(x, [*lead, source])], node.code.to)
    target = result.at([index for index, _ in axes])
    return [
        f"static POCKETNN_FLASH int32_t from[{len(table.items)}] = {{{', '.join(map(str, table.items))}}};",
        *_loops(axes, [f"{target} = {source} < 0 ? 0 : {value};"]),
    ]


def _argmax(node: Node, operands: Sequence[Place], result: Place, spell: Spelling) -> list[str]:
    (x,) = operands
    indices = [index for index, _ in _axes(result.shape)]
    kind, length = index_type(x.shape[-1]), x.shape[-1]
    better = node.code.op.c.format(x.at([*indices, "k"]), x.at([*indices, "best"]))
    body = [
        f"{kind} best = 0;",
        *_loops([("k", length)], [f"if ({better}) {{", "    best = k;", "}"]),
        f"{result.at(indices)} = {spell.fit(Operand('best', length.bit_length() + 1), node.code.to)};",
    ]
    return _loops(_axes(result.shape), body)


_OTHERS = {"mac": _mac, "sum": _sum, "transpose": _transpose, "gather": _gather, "argmax": _argmax}
