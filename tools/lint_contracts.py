"""Rules of the contracts that no compiler checks: who may call whom, errors, order of sections, forbidden words.

The call graph is derived from every `extcall` and `staticcall` on an interface (an immutable, a variable, a cast),
modules included, and compared with the arrows of docs/architecture.md: a call that is not drawn there, or a cycle, is a
finding. Exit code 1 with one line a finding.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vyper.ast import nodes as vy
from vyper.ast import parse_to_ast

from tools.compile import LIBRARIES, ROOT, closure, deployables

# Prefix of the errors of each deployable; a module's errors begin with its own name or with its contract's prefix.
PREFIX = {
    "ComputeToken": "token",
    "StakingPool": "pool",
    "NodeRegistry": "registry",
    "AttestationHub": "hub",
    "NodeStanding": "standing",
    "LeaseEscrow": "escrow",
    "LeaseMarket": "market",
    "BurnMintEngine": "engine",
    "ReportRefuter": "refuter",
    "AttesterCommittee": "committee",
    "ComputeChallenge": "challenge",
}
# The arrows of docs/architecture.md, "Contracts": who may call whom.
MAY_CALL = {
    "ComputeToken": set[str](),
    "StakingPool": {"ComputeToken"},
    "NodeRegistry": {"StakingPool", "ComputeToken"},
    "AttestationHub": {"NodeRegistry", "StakingPool"},
    "NodeStanding": {"AttestationHub", "NodeRegistry"},
    "LeaseEscrow": {"AttestationHub", "NodeRegistry", "StakingPool"},
    "LeaseMarket": {"LeaseEscrow", "AttestationHub", "NodeRegistry", "StakingPool"},
    "BurnMintEngine": {"LeaseEscrow", "AttestationHub", "NodeRegistry", "ComputeToken"},
    "ReportRefuter": {"AttestationHub"},
    "AttesterCommittee": {"AttestationHub", "ReportRefuter", "ComputeToken"},
    "ComputeChallenge": {"AttestationHub", "NodeRegistry", "StakingPool"},
}
ERROR_BYTES = 32  # a longer string costs a second word of code and calldata
# word -> why it never stands in a contract
DENIED = {
    r"\btx\.origin\b": "says who signed a transaction, not who calls",
    r"\bselfdestruct\b": "no contract ends",
    r"\bis_delegate_call\s*=\s*True": "no foreign code in our storage",
    r"\bcreate_(minimal_proxy_to|copy_of|from_blueprint)\b": "no proxies",
    r"\bsend\s*\(": "no contract holds ether",
    r"@payable\b": "no contract holds ether",
    # before and after a transfer, to refuse a token that takes a fee, a balance may be looked at: it decides nothing
    r"^(?!\s*(before: uint256 = |assert )).*\bbalanceOf\s*\(\s*self\s*\)": "own accounting decides, never a balance",
    r"\bdelegatecall\b": "no foreign code in our storage",
    r"#\s*(TODO|FIXME|XXX)\b": "finish it",
    r"\bprint\s*\(": "debugging",
}
_ACRONYM = re.compile(r"\b[A-Z]{3,}s?\b")  # GPU, GPUs, VRAM
PRAGMAS = ("# pragma version 0.4.3", "# pragma nonreentrancy on")


@dataclass(frozen=True)
class Finding:
    """One broken rule. `line` 0 = the whole file."""

    path: Path
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        where = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        return f"{where}:{self.line}: {self.rule}: {self.text}"


def parse(path: Path) -> vy.Module:
    """Syntax tree of a source."""
    return parse_to_ast(path.read_text(encoding="utf-8"), resolved_path=str(path))


# ---- imports


def import_findings(path: Path, tree: vy.Module) -> Iterator[Finding]:
    """No contract and no module imports a deployable: interfaces are all they know of each other."""
    names = set(deployables(root_of(path)))
    for node in tree.body:
        if isinstance(node, (vy.Import, vy.ImportFrom)):
            name = str(node.name).rsplit(".", 1)[-1]
            if name in names:
                yield Finding(path, node.lineno, "import", f"imports the deployable {name}; import I{name}")


def root_of(path: Path) -> Path:
    """The repository that holds a source."""
    for parent in path.parents:
        if parent.name == "contracts":
            return parent.parent
    return ROOT


# ---- calls


def _interface_of(annotation: vy.VyperNode | None) -> str | None:
    """`IFoo` of an annotation `IFoo`, `immutable(IFoo)`, `public(immutable(IFoo))` …"""
    while isinstance(annotation, vy.Call) and annotation.args:
        annotation = annotation.args[0]
    if isinstance(annotation, vy.Name) and re.fullmatch(r"I[A-Z]\w*", annotation.id):
        return str(annotation.id)
    return None


def called_interfaces(tree: vy.Module) -> list[tuple[str, int]]:
    """(interface or `?name`, line) of every external call of a source."""
    known: dict[str, str] = {}
    for node in tree.get_descendants((vy.VariableDecl, vy.AnnAssign, vy.arg)):
        found = _interface_of(node.annotation)
        if found:
            target = getattr(node, "target", None)
            known[str(getattr(target, "id", None) or getattr(target, "attr", None) or getattr(node, "arg", ""))] = found
    returned = {f.name: found for f in tree.get_children(vy.FunctionDef) if (found := _interface_of(f.returns))}
    calls: list[tuple[str, int]] = []
    for node in tree.get_descendants((vy.ExtCall, vy.StaticCall)):
        callee = node.value.func.value if isinstance(node.value.func, vy.Attribute) else node.value.func
        if isinstance(callee, vy.Subscript):
            callee = callee.value  # a list of contracts
        if isinstance(callee, vy.Call) and isinstance(callee.func, vy.Attribute):  # self._hub().price()
            calls.append((returned.get(str(callee.func.attr), f"?{callee.func.attr}"), node.lineno))
            continue
        if isinstance(callee, vy.Call) and isinstance(callee.func, vy.Name):
            name = str(callee.func.id)
            calls.append((name if name.startswith("I") else f"?{name}", node.lineno))
            continue
        name = str(getattr(callee, "id", None) or getattr(callee, "attr", None) or "")
        calls.append((known.get(name, f"?{name}"), node.lineno))
    return calls


def call_graph(trees: Mapping[str, Sequence[vy.Module]]) -> dict[str, set[str]]:
    """Contract -> contracts it calls, its modules included."""
    return {
        name: {
            interface[1:]
            for tree in parts
            for interface, _ in called_interfaces(tree)
            if interface[1:] in PREFIX and interface.startswith("I")
        }
        for name, parts in trees.items()
    }


def cycle(graph: Mapping[str, set[str]]) -> list[str] | None:
    """A cycle of the graph as a list of names, the first repeated last; None if there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str] | None:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        for following in sorted(graph.get(node, ())):
            found = walk(following, [*path, node])
            if found:
                return found
        done.add(node)
        return None

    for start in sorted(graph):
        found = walk(start, [])
        if found:
            return found
    return None


def call_findings(paths: Mapping[str, Path], trees: Mapping[str, Sequence[vy.Module]]) -> Iterator[Finding]:
    """Calls that are not drawn, calls on what is no interface, cycles."""
    for name, parts in trees.items():
        for tree in parts:
            source = Path(str(tree.resolved_path))
            for interface, line in called_interfaces(tree):
                if interface.startswith("?"):
                    yield Finding(source, line, "call", f"cannot tell which contract {interface[1:]!r} is")
                elif interface[1:] in PREFIX and interface[1:] not in MAY_CALL.get(name, set()):
                    yield Finding(source, line, "call", f"{name} may not call {interface[1:]}")
    found = cycle(call_graph(trees))
    if found:
        yield Finding(paths[found[0]], 0, "cycle", " -> ".join(found))


# ---- errors


def error_strings(tree: vy.Module) -> list[tuple[str, int, str]]:
    """(error, line, function) of every assert and raise; an assert without a reason gives an empty string."""
    rows: list[tuple[str, int, str]] = []
    for node in tree.get_descendants((vy.Assert, vy.Raise)):
        reason = node.msg if isinstance(node, vy.Assert) else node.exc
        if isinstance(reason, vy.Str):
            rows.append((str(reason.value), node.lineno, str(node.get_ancestor(vy.FunctionDef).name)))
        elif reason is None and isinstance(node, vy.Assert) and node.test.get_descendants((vy.ExtCall,)):
            continue  # `assert extcall token.transfer(…)`: the token's own error passes through
        elif reason is None:
            rows.append(("", node.lineno, ""))
    return rows


def error_findings(name: str, trees: Sequence[vy.Module]) -> Iterator[Finding]:
    """Prefix, length and uniqueness over a contract and its modules; a text stands once a function."""
    first: dict[tuple[str, str, str], str] = {}
    for tree in trees:
        source = Path(str(tree.resolved_path))
        own = {PREFIX.get(name, name.lower()), source.stem.split("_")[0], source.stem}
        for text, line, function in error_strings(tree):
            place = f"{source.name}:{line}"
            if not text:
                yield Finding(source, line, "error", "an assert without a reason")
            elif len(text.encode()) > ERROR_BYTES:
                yield Finding(source, line, "error", f"{text!r} is longer than {ERROR_BYTES} bytes")
            elif re.search(r"[A-Z]", _ACRONYM.sub("", text)) or not re.match(r"[a-z_]+: \S", text):
                yield Finding(source, line, "error", f"{text!r} is not '<contract>: <reason>' in lower case")
            elif text.split(":")[0] not in own:
                yield Finding(source, line, "error", f"{text!r} has the prefix of another contract")
            elif (source.name, function, text) in first:
                yield Finding(source, line, "error", f"{text!r} stands at {first[source.name, function, text]} too")
            first.setdefault((source.name, function, text), place)


# ---- order of sections


def _rank(node: vy.VyperNode) -> tuple[int, str] | None:
    """Place of a top-level statement in the order of sections; None where it is free."""
    if isinstance(node, (vy.Import, vy.ImportFrom)):
        return 0, "import"
    if isinstance(node, (vy.ImplementsDecl, vy.InitializesDecl, vy.UsesDecl, vy.ExportsDecl)):
        return 1, "implements, initializes, exports"
    if isinstance(node, (vy.StructDef, vy.EventDef, vy.FlagDef, vy.InterfaceDef)):
        return 2, "struct, event, flag"
    if isinstance(node, vy.VariableDecl):
        return (3, "immutable or constant") if node.is_immutable or node.is_constant else (4, "storage")
    if isinstance(node, vy.FunctionDef):
        kinds = {d.id for d in node.decorator_list if isinstance(d, vy.Name)}
        if "deploy" in kinds:
            return 5, "constructor"
        if "external" in kinds:
            views = kinds & {"view", "pure"}
            return (7, "external view") if views else (6, "external function")
        return 8, "internal function"
    return None


def order_findings(path: Path, tree: vy.Module) -> Iterator[Finding]:
    """Sections of a deployable in the written order; views after what changes state, internals last."""
    highest, label = -1, ""
    for node in tree.body:
        place = _rank(node)
        if place is None:
            continue
        if place[0] < highest:
            yield Finding(path, node.lineno, "order", f"{place[1]} after {label}")
        else:
            highest, label = place


# ---- words


def word_findings(path: Path, source: str) -> Iterator[Finding]:
    """Pragmas first; nothing of the deny list outside of comments (a TODO is one, so comments count for it)."""
    lines = source.splitlines()
    wanted = PRAGMAS if path.suffix == ".vy" else PRAGMAS[:1]
    for i, pragma in enumerate(wanted):
        if i >= len(lines) or lines[i] != pragma:
            yield Finding(path, i + 1, "pragma", f"line {i + 1} must be {pragma!r}")
    code = re.sub(r'"""(?:.|\n)*?"""', lambda m: "\n" * m[0].count("\n"), source)
    for number, line in enumerate(code.splitlines(), 1):
        bare = line.split("#", 1)[0]
        for pattern, why in DENIED.items():
            if re.search(pattern, line if pattern.startswith("#") else bare):
                yield Finding(path, number, "denied", f"{line.strip()[:60]!r}: {why}")


def statement_findings(path: Path, tree: vy.Module, module: bool) -> Iterator[Finding]:
    """One external call that changes state a statement; checked raw calls and transfers; modules export nothing."""
    for node in tree.get_descendants((vy.Expr, vy.Assign, vy.AnnAssign, vy.AugAssign, vy.Assert, vy.Return, vy.Log)):
        if len(node.get_descendants((vy.ExtCall,))) > 1:
            yield Finding(path, node.lineno, "effects", "two external calls in one statement")
    for node in tree.get_descendants((vy.Expr,)):
        inner = node.value
        if isinstance(inner, vy.Call) and getattr(inner.func, "id", "") == "raw_call":
            yield Finding(path, node.lineno, "raw_call", "the result of raw_call is not looked at")
        called = inner.value.func.attr if isinstance(inner, vy.ExtCall) else ""
        if called in ("transfer", "transferFrom"):
            yield Finding(path, node.lineno, "transfer", f"assert extcall ….{called}(…, default_return_value=True)")
    if module:
        for node in tree.get_children(vy.FunctionDef):
            if "external" in {d.id for d in node.decorator_list if isinstance(d, vy.Name)}:
                yield Finding(path, node.lineno, "module", f"{node.name}: a module exports no function")


def lint(root: Path = ROOT) -> list[Finding]:
    """Every finding of a tree of contracts, by file and line."""
    findings: list[Finding] = []
    paths = deployables(root)
    parsed: dict[Path, vy.Module] = {}
    for path in sorted((root / "contracts").rglob("*.vy")):
        part = path.relative_to(root / "contracts").parts[0]
        if part == "mocks":
            continue  # doubles misbehave on purpose
        tree = parsed[path.resolve()] = parse(path)
        findings += import_findings(path, tree)
        findings += word_findings(path, path.read_text(encoding="utf-8"))
        findings += statement_findings(path, tree, part == "modules")
        if part not in LIBRARIES:
            findings += order_findings(path, tree)
    trees = {
        name: [parsed[p] for p in closure(path, root) if p.suffix == ".vy" and p in parsed]
        for name, path in paths.items()
    }
    for name, parts in trees.items():
        findings += error_findings(name, parts)
    findings += call_findings(paths, trees)
    return sorted(set(findings), key=lambda f: (str(f.path), f.line, f.rule, f.text))


def main() -> int:
    findings = lint()
    for finding in findings:
        print(finding)
    print(f"contracts  {len(deployables())} deployables linted, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
