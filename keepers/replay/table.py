"""CSV files, plain or gzipped, as rows that know their line: the one reader behind every trace.

Nothing here guesses: a cell is a number or the file is refused with its name, its line and its column.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from keepers.protocol.errors import HearthError

#: Longest cell that is quoted in a message.
_SHOWN = 40
#: Plain decimals; of two digits at most in the exponent, as a number of a billion digits would never be read.
_NUMBER = re.compile(r"[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,2})?", re.ASCII)


def trace_error(path: Path, row: int | None, message: str, fix: str = "") -> HearthError:
    """The error of a file that cannot be used: `H1006`, with the line (the header is line 1) where there is one."""
    where = f"{path.name}, row {row}" if row is not None else path.name
    return HearthError("H1006", f"{where}: {message}", why=(f"file {path}",), next=(fix,) if fix else ())


@dataclass(frozen=True)
class Row:
    """One record of a file: `line` counts as an editor does, the header being line 1."""

    path: Path
    line: int
    cells: dict[str, str]

    def error(self, message: str, fix: str = "") -> HearthError:
        """A `trace_error` at this line."""
        return trace_error(self.path, self.line, message, fix)

    def text(self, column: str) -> str:
        """The cell without surrounding blanks."""
        return self.cells[column].strip()

    def named(self, column: str) -> str:
        """The cell; an empty one is an error."""
        value = self.text(column)
        if not value:
            raise self.error(f"{column} is empty", f"give the row a {column}")
        return value

    def number(self, column: str) -> Fraction:
        """The cell as an exact number, not negative."""
        value = self.text(column)
        if not _NUMBER.fullmatch(value):
            raise self.error(f"{column} is not a number: {value[:_SHOWN]!r}")
        number = Fraction(value)
        if number < 0:
            raise self.error(f"{column} is negative: {value[:_SHOWN]}")
        return number

    def whole(self, column: str) -> int:
        """The cell as an integer ≥ 0 (`12` and `12.0`, not `12.5`)."""
        number = self.number(column)
        if number.denominator != 1:
            raise self.error(f"{column} is not a whole number: {self.text(column)[:_SHOWN]}")
        return int(number)


def read_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    """The records of a CSV file with a header, UTF-8, gzipped or not (told by its first bytes, not by its name).

    Raises `HearthError` H1006: no such file, not readable as gzip or UTF-8, empty, a column of `columns` missing,
    a line with more or fewer cells than the header.
    """
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise trace_error(path, None, "the file is empty", f"it needs the columns {', '.join(columns)}")
        names = [name.strip() for name in header]
        missing = [column for column in columns if column not in names]
        if missing:
            raise trace_error(
                path,
                1,
                f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
                f"it needs the columns {', '.join(columns)}; it has {', '.join(names)[:200]}",
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise trace_error(path, 1, f"column {', '.join(twice)} stands there twice")
        rows = 0
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(names):
                raise trace_error(path, reader.line_num, f"{len(cells)} cells, the header has {len(names)}")
            rows += 1
            yield Row(path, reader.line_num, dict(zip(names, cells, strict=True)))
        if not rows:
            raise trace_error(path, None, "there is a header and no row")
    except csv.Error as error:
        raise trace_error(path, reader.line_num, f"not CSV: {error}") from None


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise trace_error(path, None, "there is no such file", "check the path") from None
    except OSError as error:
        raise trace_error(path, None, f"cannot be read: {error.strerror}") from None
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise trace_error(path, None, f"damaged gzip: {error}", "fetch the file again") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise trace_error(path, None, f"not UTF-8 at byte {error.start}") from None
