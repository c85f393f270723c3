"""contracts/mocks/uptime_record_mock.vy on pyrevm, which answers many times faster than a Python EVM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyrevm
from eth_abi.abi import decode, encode
from vyper.cli.vyper_compile import compile_files

from keepers.protocol.hashing import keccak

ROOT = Path(__file__).resolve().parents[2]
SENDER = "0x" + "11" * 20
GAS = 10**9
WORDS = "uint256[]"


class Mock:
    """`apply_many` and `read_many` as `tests.fuzz.uptime.against` asks for them."""

    def __init__(self) -> None:
        path = ROOT / "contracts" / "mocks" / "uptime_record_mock.vy"
        made: Any = compile_files([str(path)], ["bytecode"], [str(ROOT)])
        (built,) = made.values()
        self._evm = pyrevm.EVM(gas_limit=2**63, spec_id="CANCUN")
        self._address = self._evm.deploy(SENDER, bytes.fromhex(built["bytecode"][2:]))

    def _call(self, signature: str, types: list[str], values: list[Any], out: str) -> Any:
        data = keccak(signature.encode())[:4] + encode(types, values)
        raw = self._evm.message_call(SENDER, self._address, calldata=data, gas=GAS, is_static=True)
        return decode([out], raw)[0]

    def apply_many(
        self, leaves: Sequence[int], records: Sequence[int], befores: Sequence[int], headers: Sequence[int]
    ) -> Any:
        """Leaf words after the records."""
        types = [WORDS] * 4
        return self._call(f"apply_many({','.join(types)})", types, [leaves, records, befores, headers], WORDS)

    def read_many(self, headers: Sequence[int], leaves: Sequence[int], offsets: Sequence[int], slot: int) -> Any:
        """(D, F, U) of each leaf."""
        types = [WORDS, WORDS, WORDS, "uint256"]
        return self._call(f"read_many({','.join(types)})", types, [headers, leaves, offsets, slot], "uint256[3][]")
