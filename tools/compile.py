"""Compiles the contracts once, two at a time, and keeps the result under build/contracts by the hash of what went in.

A 44 kB runtime takes 11 s of one core, so nobody compiles for himself: deploy scripts, local networks, tests and the
bench all read the artifacts this writes. An artifact is one JSON file a contract; it is rebuilt when the source, a
file it imports (followed through every import), the compiler or its settings change.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OPTIMIZE = "gas"
SCHEMA = 1
CODE_LIMIT = 24_576  # bytes of a contract on chain, EIP-170
# Folders of contracts/ that hold no deployable.
LIBRARIES = ("modules", "interfaces", "mocks")

_FROM = re.compile(r"^\s*from\s+(\.*[\w.]*)\s+import\s+(\w+)", re.M)
_PLAIN = re.compile(r"^\s*import\s+([\w.]+)", re.M)


class CompileError(Exception):
    """The sources cannot be compiled; the message names the contract and repeats the compiler's words."""


@dataclass(frozen=True)
class Artifact:
    """What one contract compiles to. `code` and `runtime` are 0x-prefixed hex; `runtime` lacks the immutables.

    `immutables` are rows (name, offset, length, type) of the data section that follows the runtime on chain,
    `storage` rows (name, slot, words, type), ascending.
    """

    name: str
    source: str
    key: str
    compiler: str
    optimize: str
    evm_version: str
    abi: list[dict[str, Any]]
    code: str
    runtime: str
    immutables: list[tuple[str, int, int, str]]
    storage: list[tuple[str, int, int, str]]
    schema: int = SCHEMA

    @property
    def code_bytes(self) -> bytes:
        return bytes.fromhex(self.code[2:])

    @property
    def runtime_bytes(self) -> bytes:
        return bytes.fromhex(self.runtime[2:])

    @property
    def data_length(self) -> int:
        """Bytes of immutables that the constructor appends to the runtime."""
        return max((offset + length for _, offset, length, _ in self.immutables), default=0)

    @property
    def deployed_size(self) -> int:
        """Bytes of code on chain: what the limit of 24,576 counts."""
        return len(self.runtime_bytes) + self.data_length


def deployables(root: Path = ROOT) -> dict[str, Path]:
    """Contract name -> source of all that can be deployed: CamelCase files outside modules, interfaces and mocks."""
    found: dict[str, Path] = {}
    for path in sorted((root / "contracts").rglob("*.vy")):
        part = path.relative_to(root / "contracts").parts[0]
        if part in LIBRARIES or not path.stem[0].isupper():
            continue
        if path.stem in found:
            raise CompileError(f"two contracts are called {path.stem}: {found[path.stem]} and {path}; rename one")
        found[path.stem] = path
    return found


def mocks(root: Path = ROOT) -> dict[str, Path]:
    """Contract name -> source of the test doubles in contracts/mocks."""
    return {path.stem: path for path in sorted((root / "contracts" / "mocks").rglob("*.vy"))}


def _resolve(module: str, name: str, importer: Path, root: Path) -> Path | None:
    """File of a Vyper import inside the repository; None for what lives in a package (snekmate, ethereum)."""
    dots = len(module) - len(module.lstrip("."))
    base = root
    if dots:
        base = importer.parent
        for _ in range(dots - 1):
            base = base.parent
    parts = [part for part in module.lstrip(".").split(".") if part]
    tail = [*parts, name] if name else parts
    for anchor in (base, importer.parent):
        for suffix in (".vy", ".vyi"):
            path = anchor.joinpath(*tail).with_suffix(suffix)
            if path.is_file():
                return path.resolve()
    return None


def closure(source: Path, root: Path = ROOT) -> list[Path]:
    """`source` and every file of the repository that it imports, directly or not; sorted."""
    seen: set[Path] = set()
    queue = [source.resolve()]
    while queue:
        path = queue.pop()
        if path in seen:
            continue
        seen.add(path)
        text = path.read_text(encoding="utf-8")
        pairs = [(module, name) for module, name in _FROM.findall(text)]
        pairs += [(module, "") for module in _PLAIN.findall(text)]
        for module, name in pairs:
            found = _resolve(module, name, path, root)
            if found is not None:
                queue.append(found)
    return sorted(seen)


def source_key(source: Path, root: Path = ROOT) -> str:
    """Hash (hex, 32 bytes) of everything that the bytecode of `source` depends on."""
    digest = hashlib.sha256()
    versions = {name: importlib.metadata.version(name) for name in ("vyper", "snekmate")}
    digest.update(json.dumps([SCHEMA, versions, OPTIMIZE, source.stem], sort_keys=True).encode())
    for path in closure(source, root):
        digest.update(str(path.relative_to(root.resolve())).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _rows(layout: dict[str, Any], at: str, width: str) -> list[tuple[str, int, int, str]]:
    """Flattens a Vyper layout (modules nest) into rows (dotted name, position, width, type)."""
    rows: list[tuple[str, int, int, str]] = []

    def walk(node: dict[str, Any], prefix: str) -> None:
        for name, entry in node.items():
            if at in entry and not isinstance(entry[at], dict):
                rows.append((prefix + name, int(entry[at]), int(entry[width]), str(entry["type"])))
            else:
                walk(entry, f"{prefix}{name}.")

    walk(layout, "")
    return sorted(rows, key=lambda row: row[1])


def compile_one(name: str, source: str, root: str) -> dict[str, Any]:
    """Compiles one contract in this process and returns its artifact as a dict. Raises CompileError."""
    from vyper.cli.vyper_compile import get_search_paths
    from vyper.compiler import compile_from_file_input
    from vyper.compiler.input_bundle import FilesystemInputBundle
    from vyper.compiler.settings import OptimizationLevel, Settings
    from vyper.evm.opcodes import DEFAULT_EVM_VERSION

    key = source_key(Path(source), Path(root))
    bundle = FilesystemInputBundle(get_search_paths([root]))
    try:
        out = compile_from_file_input(
            bundle.load_file(Path(source)),
            input_bundle=bundle,
            settings=Settings(optimize=OptimizationLevel.from_string(OPTIMIZE)),
            output_formats=["abi", "bytecode", "bytecode_runtime", "layout"],
        )
    except Exception as error:  # the compiler raises its own family and, for some sources, panics
        raise CompileError(f"{name}: {type(error).__name__}: {error}") from None
    layout = out["layout"]
    return asdict(
        Artifact(
            name=name,
            source=str(Path(source).resolve().relative_to(Path(root).resolve())),
            key=key,
            compiler=f"vyper {importlib.metadata.version('vyper')}",
            optimize=OPTIMIZE,
            evm_version=DEFAULT_EVM_VERSION,
            abi=out["abi"],
            code=out["bytecode"],
            runtime=out["bytecode_runtime"],
            immutables=_rows(layout.get("code_layout", {}), "offset", "length"),
            storage=_rows(layout.get("storage_layout", {}), "slot", "n_slots"),
        )
    )


def _load(path: Path) -> Artifact | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        raw["immutables"] = [(str(a), int(b), int(c), str(d)) for a, b, c, d in raw["immutables"]]
        raw["storage"] = [(str(a), int(b), int(c), str(d)) for a, b, c, d in raw["storage"]]
        artifact = Artifact(**raw)
    except (OSError, ValueError, TypeError, KeyError):
        return None  # absent, cut off or of another schema: compile again
    return artifact if artifact.schema == SCHEMA else None


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One compilation at a time a checkout: two would do the same work twice and slower."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _fresh(sources: dict[str, Path], folder: Path, root: Path) -> dict[str, Artifact]:
    fresh: dict[str, Artifact] = {}
    for name, source in sources.items():
        artifact = _load(folder / f"{name}.json")
        if artifact is not None and artifact.key == source_key(source, root):
            fresh[name] = artifact
    return fresh


def build(
    names: Iterable[str] | None = None,
    *,
    root: Path = ROOT,
    jobs: int = 2,
    say: bool = False,
    with_mocks: bool = False,
) -> dict[str, Artifact]:
    """Artifacts of the named contracts (None: every deployable), compiled where the cache has none.

    Errors: CompileError names what does not compile, or an unknown name.
    """
    known = {**deployables(root), **(mocks(root) if with_mocks or names is not None else {})}
    wanted = list(known) if names is None else list(names)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise CompileError(f"no contract called {', '.join(unknown)}; there are: {', '.join(sorted(known)) or 'none'}")
    sources = {name: known[name] for name in wanted}
    folder = root / "build" / "contracts"
    done = _fresh(sources, folder, root)
    if len(done) == len(sources):
        return {name: done[name] for name in wanted}
    with _locked(folder):
        done = _fresh(sources, folder, root)
        # Longest first: the last to finish should not be the longest.
        todo = sorted((n for n in wanted if n not in done), key=lambda n: -sources[n].stat().st_size)
        for name, raw in _compile_all({name: sources[name] for name in todo}, root, jobs, say):
            path = folder / f"{name}.json"
            part = path.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps(raw), encoding="utf-8")
            part.replace(path)
            loaded = _load(path)
            if loaded is None:
                raise CompileError(f"{name}: {path} cannot be read back; remove build/contracts and try again")
            done[name] = loaded
    return {name: done[name] for name in wanted}


def _worker(name: str, source: Path, root: Path) -> dict[str, Any]:
    """`compile_one` in a process of its own: the compiler holds the GIL, and its caller may be any program."""
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", name, str(source), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    if done.returncode != 0:
        raise CompileError(done.stderr.strip() or f"{name}: the compiler ended with status {done.returncode}")
    return dict(json.loads(done.stdout))


def _compile_all(sources: dict[str, Path], root: Path, jobs: int, say: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    if not sources:
        return
    begun = time.monotonic()
    with ThreadPoolExecutor(min(jobs, len(sources))) as pool:
        futures = [pool.submit(_worker, name, path, root) for name, path in sources.items()]
        try:
            for count, future in enumerate(as_completed(futures), 1):
                raw = future.result()
                if say:
                    took = time.monotonic() - begun
                    size = len(raw["runtime"]) // 2 - 1
                    line = f"contracts  {count:2}/{len(sources)} {raw['name']:<18} {size:>6,} bytes  {took:4.0f} s"
                    print(line, file=sys.stderr, flush=True)
                yield raw["name"], raw
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="contracts to compile; none: every deployable")
    parser.add_argument("--mocks", action="store_true", help="the test doubles too")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--worker", nargs=3, metavar=("NAME", "SOURCE", "ROOT"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    try:
        if args.worker:
            json.dump(compile_one(*args.worker), sys.stdout)
            return 0
        built = build(args.names or None, jobs=max(1, args.jobs), say=True, with_mocks=args.mocks)
    except CompileError as error:
        print(error if args.worker else f"error  {error}", file=sys.stderr)
        return 1
    largest = max(built.values(), key=lambda a: a.deployed_size, default=None)
    if largest is not None:
        print(f"contracts  {len(built)} ready; the largest is {largest.name}, {largest.deployed_size:,} bytes on chain")
    return 0


if __name__ == "__main__":
    sys.exit(main())
