"""docs/env.md says what the settings are."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from keepers.runtime.settings import RESERVED, load
from keepers.sdk.sections import SECTIONS
from tools import export_env

ROOT = Path(__file__).parents[3]


def test_page__committed__is_what_the_settings_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert (ROOT / export_env.PAGE).read_text() == export_env.render(), "python tools/export_env.py writes it"
    assert export_env.main(["--check"]) == 0 and "0 differ" in capsys.readouterr().out


def test_page__every_setting_of_config_show__named() -> None:
    page = export_env.render()
    shown = [key for key, _, _ in load(env={}, files=[], sections=SECTIONS).show()]
    assert len(shown) > 25
    for key in shown:
        assert f"`HEARTH_{key.upper().replace('.', '__')}`" in page
    assert set(export_env.OTHERS) == RESERVED


def test_rows__a_setting_without_a_meaning__refused() -> None:
    class Bare(BaseModel):
        name: str = "x"

    with pytest.raises(ValueError, match=r"Bare\.name has no description"):
        list(export_env.rows(Bare, "HEARTH_"))


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (str, "text"),
        (int | None, "whole number"),
        (tuple[Path, ...], "list of path"),
        (tuple[dict[str, int], ...], "list of table"),
    ],
)
def test_kind_of__annotation__in_words(annotation: object, words: str) -> None:
    assert export_env.kind_of(annotation) == words


def test_default_of__values__as_one_would_write_them() -> None:
    class Some(BaseModel):
        on: bool = Field(default=True, description="d")
        many: tuple[str, ...] = Field(default=(), description="d")

    assert [export_env.default_of(f) for f in Some.model_fields.values()] == ["`true`", "-"]
