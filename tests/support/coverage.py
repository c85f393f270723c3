"""Coverage of the contracts, read off the bytecode: `make coverage` loads this pytest plugin, nothing else does.

titanoboa keeps the program counters that every call ran through, in order. The compiler's source map names the part
of the source behind each of them. So a statement is reached iff a counter of its own was run, and every conditional
jump of the source (an `if`, an `assert`, an operand of `and` or `or`, a loop) tells by the counter that follows it
which way it went. An `assert` has two ways like an `if`: it holds or it fails. The compiler's own checks (overflow,
bounds, decoding of arguments, success of calls, a loop's bound) are not branches of the source and are not counted.

Each process writes one JSON file into build/test/coverage; `tools/coverage_table.py` joins them:
    {file: {"lines": {line: reached}, "bare": [lines without code of their own],
            "branches": {"line:column:kind:number": {way: taken}}, "straight": [conditions without a jump]}}
Lines are the first lines of statements, places are "line:column"; a file is named from contracts/ on. Both lists are
there to be looked at: what the compiler drops or folds cannot be measured.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import vyper.ast as vy_ast
from boa.environment import Env

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "test" / "coverage"
SOURCES = ROOT / "contracts"
SKIP = ("contracts/mocks/", "contracts/interfaces/")

JUMPI, PUSH1, PUSH2, PUSH32 = 0x57, 0x60, 0x61, 0x7F
XOR = 0x18
EMPTY_LIST = bytes.fromhex("8015")  # DUP1 ISZERO
ENDS = (0x00, 0x56, JUMPI, 0xF3, 0xFD, 0xFE)  # STOP, JUMP, RETURN, REVERT, INVALID
BARE_REVERT = bytes.fromhex("5b5f80fd")  # JUMPDEST PUSH0 DUP1 REVERT: where every check without a reason ends

STATEMENTS = (
    vy_ast.AnnAssign, vy_ast.Assign, vy_ast.AugAssign, vy_ast.Assert, vy_ast.If, vy_ast.For, vy_ast.Return,
    vy_ast.Raise, vy_ast.Log, vy_ast.Expr, vy_ast.Pass, vy_ast.Continue, vy_ast.Break,
)  # fmt: skip
CONDITIONS = (vy_ast.If, vy_ast.IfExp, vy_ast.BoolOp, vy_ast.Assert, vy_ast.For)
NOBODY = (type(None), vy_ast.FunctionDef)
AGAIN, NONE = ("again", "ends"), ("no round", "a round")
LEAVES = (vy_ast.Return, vy_ast.Continue, vy_ast.Break)

Edges = set[tuple[int, int]]
Branch = tuple[Any, str, str, str]  # node, kind, way of the jump, way without it


class Recorder:
    """The pairs of neighbouring counters that were run, for each bytecode."""

    def __init__(self) -> None:
        self.seen: dict[tuple[int, bool], tuple[Any, Edges]] = {}
        self.deployers: dict[tuple[int, bool], Any] = {}

    def record(self, computation: Any, contract: Any) -> None:
        """One call or deployment and all calls below it. Code that is not the contract's own is passed over."""
        if (compiled := getattr(contract, "compiler_data", None)) is not None:
            code = computation.code._raw_code_bytes
            if code.startswith(compiled.bytecode_runtime):
                self._add(compiled, contract, True, computation.code._trace)
            elif code.startswith(compiled.bytecode):
                self._add(compiled, contract, False, computation.code._trace)
        env = Env.get_singleton()
        for child in computation.children:
            if child.msg.code_address != b"":
                self.record(child, env._lookup_contract_fast(child.msg.code_address))

    def _add(self, compiled: Any, contract: Any, runtime: bool, trace: list[int]) -> None:
        key = (id(compiled), runtime)
        if key not in self.seen:
            self.seen[key] = (compiled, set())
            self.deployers[key] = contract
        self.seen[key][1].update(pairwise(trace))

    def report(self) -> dict[str, Any]:
        """The JSON of the module's docstring."""
        files: dict[str, Any] = {}
        for key, (compiled, edges) in self.seen.items():
            if key[1]:
                read(files, compiled.source_map["pc_raw_ast_map"], compiled.bytecode_runtime, edges)
            else:
                nodes = self.deployers[key]._deployment_source_map["pc_raw_ast_map"]
                read(files, nodes, compiled.bytecode[: -len(compiled.bytecode_runtime)], edges)
        for file in files.values():
            file["bare"] = sorted(file["bare"] - set(file["lines"]))
            jumping = {":".join(place.split(":")[:2]) for place in file["branches"]}
            file["straight"] = sorted(file["straight"] - jumping)
        return files


def read(files: dict[str, Any], nodes: dict[int, Any], code: bytes, edges: Edges) -> None:
    """Add what one bytecode says to `files`. `nodes`: counter -> node of the source."""
    run = {pc for edge in edges for pc in edge}
    for pc, node in nodes.items():
        name = name_of(node)
        if name is None:
            continue
        if name not in files:
            conditions = node.module_node.get_descendants(CONDITIONS)
            files[name] = {
                "lines": {},
                "bare": set(statements(node.module_node)),
                "branches": {},
                "straight": {f"{n.lineno}:{n.col_offset}" for n in conditions},
            }
        if (statement := statement_of(node)) is not None and statement.lineno is not None:
            lines = files[name]["lines"]
            lines[statement.lineno] = lines.get(statement.lineno, False) or pc in run
    counts: Counter[int] = Counter()
    found = [(pc, target, b) for pc, target in jumps(code) if (b := branch(nodes, code, pc, target, counts))]
    for pc, target, (node, kind, jumped, fell) in found + nameless(nodes, code, counts):
        if (name := name_of(node)) is not None:
            counts[id(node)] += 1
            place = f"{node.lineno}:{node.col_offset}:{kind}:{counts[id(node)]}"
            ways = files[name]["branches"].setdefault(place, {jumped: False, fell: False})
            ways[jumped] |= (pc, target) in edges
            ways[fell] |= (pc, pc + 1) in edges


def jumps(code: bytes) -> Iterator[tuple[int, int]]:
    """(counter, target) of every conditional jump to a label."""
    pc, pushed = 0, -1
    while pc < len(code):
        op = code[pc]
        width = op - PUSH1 + 1 if PUSH1 <= op <= PUSH32 else 0
        if op == JUMPI and pushed >= 0:
            yield pc, pushed
        pushed = int.from_bytes(code[pc + 1 : pc + 1 + width], "big") if op == PUSH2 else -1
        pc += 1 + width


def branch(nodes: dict[int, Any], code: bytes, pc: int, target: int, counts: Counter[int]) -> Branch | None:
    """The branch that a jump is by its own node; None of any other."""
    node = nodes.get(pc)
    refused = code[target : target + 4] == BARE_REVERT
    match node:
        case vy_ast.If() if not refused:
            return node, "if", *ways_of(nodes, code, pc, target, node.body, node.orelse)
        case vy_ast.IfExp():
            return node, "ifexp", *ways_of(nodes, code, pc, target, [node.body], [node.orelse])
        case vy_ast.BoolOp():
            rest = node.values[counts[id(node)] + 1 :]
            both = (rest, []) if isinstance(node.op, vy_ast.And) else ([], rest)
            return node, "operand", *ways_of(nodes, code, pc, target, *both)
        case vy_ast.Assert():
            return (node, "assert", "fails", "holds") if refused else (node, "assert", "holds", "fails")
        case vy_ast.For() if not refused:
            return (node, "for", *(AGAIN if target < pc else NONE))
    return None


def nameless(nodes: dict[int, Any], code: bytes, counts: Counter[int]) -> list[tuple[int, int, Branch]]:
    """(counter, target, branch) of the two kinds of jumps whose node the compiler forgets.

    `if x: return` (or `continue`, `break`) becomes one jump to where the body leads: the last jump that follows the
    code of the test. A loop over a list ends `XOR label JUMPI` back to its body, and begins, where the list may be
    empty, `DUP1 ISZERO label JUMPI SWAP1` before it.
    """
    last: dict[int, tuple[int, int, Branch]] = {}
    loops = []
    free = [(pc, target) for pc, target in jumps(code) if isinstance(nodes.get(pc), NOBODY)]
    for pc, target in free:
        if target < pc and code[pc - 4] == XOR:
            if (loop := loop_at(nodes, code, target)) is not None and not counts[id(loop)]:
                entry = [(z, to) for z, to in free if z == target - 2 and code[z - 5 : z - 3] == EMPTY_LIST]
                loops += [(z, to, (loop, "for", *NONE)) for z, to in entry] + [(pc, target, (loop, "for", *AGAIN))]
        elif code[target : target + 4] != BARE_REVERT:
            # the label may still be that of the statement left; else what ran before tells
            before = next((nodes[at] for at in range(pc, pc - 16, -1) if at in nodes), None)
            left = nodes.get(pc - 3)
            test = getattr(left, "_parent", None) if isinstance(left, LEAVES) else test_around(before)
            if isinstance(test, vy_ast.If) and not counts[id(test)]:
                last[id(test)] = (pc, target, (test, "if", "true", "false"))
    return loops + list(last.values())


def test_around(node: Any) -> Any:
    """The `if` in whose test a node stands and whose body only leaves; else None."""
    while node is not None and not isinstance(node, STATEMENTS):
        above = node._parent
        if isinstance(above, vy_ast.If) and node is above.test:
            return above if isinstance(above.body[0], LEAVES) else None
        node = above
    return None


def loop_at(nodes: dict[int, Any], code: bytes, pc: int) -> Any:
    """The loop whose body begins at `pc`."""
    while pc < len(code) and isinstance(nodes.get(pc), NOBODY):
        pc += 1
    node = nodes.get(pc)
    while node is not None and not isinstance(node, vy_ast.For):
        node = node._parent
    return node


def ways_of(
    nodes: dict[int, Any], code: bytes, pc: int, target: int, true: Sequence[Any], false: Sequence[Any]
) -> tuple[str, str]:
    """(way of the jump, way without it). The compiler lays either way first; what runs next tells which it was."""
    after, there = first_of(nodes, code, pc + 1, (true, false)), first_of(nodes, code, target, (true, false))
    jumped = there if after is None else not after
    return ("true", "false") if jumped else ("false", "true")


def first_of(nodes: dict[int, Any], code: bytes, pc: int, parts: tuple[Sequence[Any], Sequence[Any]]) -> bool | None:
    """Whether the straight code from `pc` on comes first to a node of `parts[0]` (True) or of `parts[1]` (False)."""
    while pc < len(code):
        if (node := nodes.get(pc)) is not None:
            around = set()
            while node is not None:
                around.add(id(node))
                node = node._parent
            for part, answer in zip(parts, (True, False), strict=True):
                if any(id(n) in around for n in part):
                    return answer
        if code[pc] in ENDS:
            return None
        pc += 1 + (code[pc] - PUSH1 + 1 if PUSH1 <= code[pc] <= PUSH32 else 0)
    return None


def name_of(node: Any) -> str | None:
    """contracts/<folder>/<file> of a node; None of what is not ours to count."""
    path = Path(node.module_node.resolved_path)
    if not path.is_relative_to(SOURCES):
        return None
    name = path.relative_to(ROOT).as_posix()
    return None if name.startswith(SKIP) or not name.endswith(".vy") else name


def statement_of(node: Any) -> Any:
    """The innermost statement around a node; None of what stands outside a function's body."""
    while node is not None and not isinstance(node, vy_ast.FunctionDef):
        above = node._parent
        if isinstance(node, STATEMENTS) and not (isinstance(above, vy_ast.For) and node is above.target):
            return node if isinstance(node.get_ancestor(vy_ast.FunctionDef), vy_ast.FunctionDef) else None
        node = above
    return None


def statements(module: Any) -> Iterator[int]:
    """First lines of the statements of all functions of a module."""
    for function in module.get_children(vy_ast.FunctionDef):
        for node in function.get_descendants(STATEMENTS):
            if (statement := statement_of(node)) is node:
                yield statement.lineno


_recorder = pytest.StashKey[Recorder]()


def pytest_configure(config: pytest.Config) -> None:
    recorder = config.stash[_recorder] = Recorder()
    Env._coverage_enabled = True
    Env._trace_computation = lambda _, computation, contract=None: recorder.record(computation, contract)


def pytest_sessionfinish(session: pytest.Session) -> None:
    recorder = session.config.stash[_recorder]
    if recorder.seen:
        FOLDER.mkdir(parents=True, exist_ok=True)
        name = f"{os.environ.get('PYTEST_XDIST_WORKER', 'main')}-{os.getpid()}.json"
        (FOLDER / name).write_text(json.dumps(recorder.report(), indent=1), encoding="utf-8")
