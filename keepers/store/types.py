"""Column types that keep protocol values exact in any database."""

from __future__ import annotations

from typing import Any

from sqlalchemy.types import LargeBinary, String, TypeDecorator

UINT256_DIGITS = 78  # decimal digits of 2**256 - 1


class Uint256(TypeDecorator[int]):
    """0 … 2**256 - 1 as decimal text of fixed width, so that text order is number order.

    Databases have no integers that wide; SQLite would turn them into floats.
    """

    impl = String(UINT256_DIGITS)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> str | None:
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 256:
            raise ValueError(f"{value!r} is no uint256")
        return f"{value:0{UINT256_DIGITS}d}"

    def process_result_value(self, value: str | None, dialect: Any) -> int | None:
        return None if value is None else int(value)


class Hash32(TypeDecorator[bytes]):
    """Exactly 32 bytes."""

    impl = LargeBinary(32)
    cache_ok = True

    def process_bind_param(self, value: bytes | None, dialect: Any) -> bytes | None:
        if value is not None and (not isinstance(value, bytes) or len(value) != 32):
            raise ValueError(f"{value!r} is not 32 bytes")
        return value

    def process_result_value(self, value: bytes | None, dialect: Any) -> bytes | None:
        return None if value is None else bytes(value)


class Address(TypeDecorator[str]):
    """An account as lower-case `0x…` text of 42 characters."""

    impl = String(42)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        if value is None:
            return None
        if len(value) != 42 or not value.startswith("0x"):
            raise ValueError(f"{value!r} is no address")
        return value.lower()

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return value
