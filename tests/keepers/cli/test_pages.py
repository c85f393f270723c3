"""Every `hearth …` that a page shows is a command of this release, with the options that it is shown with."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import rich_click as click

from keepers.cli.main import COMMANDS, root
from keepers.cli.options import Options
from keepers.cli.service import NOT_RESTARTED
from keepers.protocol.errors import CODES

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
SPAN = re.compile(r"`(hearth [^`]+)`")
LINE = re.compile(r"^(?:    |\$ )(hearth .+)$")
ENDS = ("#", "&&", "||", "|", ">", "·", "…", ";", "(")


def shown(page: Path) -> Iterator[list[str]]:
    """The words of each command line of a page, after `hearth`."""
    for line in page.read_text(encoding="utf-8").splitlines():
        whole = LINE.match(line)
        for text in [whole.group(1)] if whole else SPAN.findall(line):
            for part in re.split(r"\s(?:&&|·)\s", re.split(r"\s{2,}", text)[0]):
                if part.startswith("hearth "):
                    yield words_of(part)


def words_of(text: str) -> list[str]:
    """Up to what is no longer of the command: a comment, a pipe, another command."""
    out = []
    for word in shlex.split(text.replace("…", " … "), comments=True)[1:]:
        if word.startswith(ENDS):
            break
        out.append(word)
    return out


def check(words: list[str]) -> str:
    """What is wrong with a command line; empty where nothing is."""
    at: click.Command = root
    context = click.Context(root, obj=Options())
    context.meta["hearth.called"] = True
    rest = list(words)
    while rest and isinstance(at, click.Group):
        found = at.get_command(context, rest[0])
        if found is None:
            break
        at, rest = found, rest[1:]
    if at is root:
        return f"no command {rest[:1]}" if rest and not rest[0].startswith("-") else ""
    if isinstance(at, click.Group) and rest and rest[0].isalpha() and rest[0].islower():
        return f"no verb {rest[0]}"
    known = {name for param in at.params for name in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
    given = [word.split("=")[0].split("/")[0].rstrip(".,") for word in rest if re.match(r"--?[a-z]", word)]
    missing = [option for option in given if option not in known]
    return f"no option {missing}" if missing else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page__its_commands_are_there(page: Path) -> None:
    wrong = [f"hearth {' '.join(words)}: {why}" for words in shown(page) if (why := check(words))]
    assert not wrong, "\n".join(wrong)


def test_pages__commands_are_found_and_judged() -> None:
    assert sum(1 for page in PAGES for _ in shown(page)) > 100
    assert check(["signlog", "export", "--retire", "out.json"]) == ""
    assert check(["signlog", "imports"]) == "no verb imports"
    assert check(["verify", "1", "--fast"]) == "no option ['--fast']"
    assert check(["watch"]) == "no command ['watch']"


def test_pages__every_command_stands_on_one() -> None:
    named = {words[0] for page in PAGES for words in shown(page) if words}
    assert set(COMMANDS) - named <= {"agent", "attester", "settler", "version"}, set(COMMANDS) - named


def test_attester_page__refused_starts_end_as_it_says() -> None:
    text = (ROOT / "docs/operators/attester.md").read_text(encoding="utf-8")
    table = text.split("**When it does not start.**")[1].split("**Backup.**")[0]
    codes = {code for row in re.findall(r"^\| (H\d{4}.*?) \|", table, re.M) for code in row.split(", ")}
    assert codes == {"H1202", "H6401", "H6402", "H6403", "H6404"}
    assert {code for code in codes if CODES[code].exit_code != 6} == {"H1202"} and CODES["H1202"].exit_code == 4
    assert {"4", "6"} <= set(NOT_RESTARTED.split())
