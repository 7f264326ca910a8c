"""Which texts are secrets, wherever they stand in the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from runtime.errors import UserError
from runtime.secrets import reveal, secrets_in
from runtime.settings import Section


class Login(Section):
    password: SecretStr | None = None
    password_file: Path | None = None
    path: Path | None = None


class Root(Section):
    login: Login = Login()
    by_name: dict[str, Login] = {}  # noqa: RUF012 - pydantic copies it
    several: tuple[SecretStr, ...] = ()


def test_secrets_are_found_at_every_depth() -> None:
    root = Root(
        login=Login(password=SecretStr("one")),
        by_name={"a": Login(password=SecretStr("two"))},
        several=(SecretStr("three"), SecretStr("")),
    )
    assert sorted(secrets_in(root)) == ["one", "three", "two"]


def test_what_a_secret_file_holds_is_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    clip = tmp_path / "clip"
    clip.write_text("no secret")
    assert secrets_in(Login(password_file=file, path=clip)) == ["hunter2"]


def test_a_secret_file_that_is_not_there_hides_nothing(tmp_path: Path) -> None:
    assert secrets_in(Login(password_file=tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ("postgresql://me:hunter2@db/onehertz", "hunter2"),
        ("postgresql://me:hunter%402@db/onehertz", "hunter@2"),
        ("host=db password=hunter2 user=me", "hunter2"),
        (r"host=db password = 'hun\'ter 2'", "hun'ter 2"),
        ("http://camera/snapshot.jpg?token=hunter2#top", "?token=hunter2"),
    ],
)
def test_the_password_within_a_connection_string_is_a_secret_of_its_own(
    text: str, password: str
) -> None:
    found = secrets_in(Root(several=(SecretStr(text),)))
    assert text in found
    assert password in found


@pytest.mark.parametrize("text", ["postgresql://db/onehertz", "postgresql://me@db", "host=db"])
def test_a_connection_string_without_a_password_is_one_secret(text: str) -> None:
    assert secrets_in(Root(several=(SecretStr(text),))) == [text]


def test_a_secret_is_given_once(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" hunter2\n")
    assert reveal(None, None, "key") is None
    assert reveal(SecretStr("hunter2"), None, "key") == "hunter2"
    assert reveal(None, file, "key") == "hunter2"
    with pytest.raises(UserError, match="key and key_file are both set"):
        reveal(SecretStr("x"), file, "key")
    with pytest.raises(UserError, match="there is no such file"):
        reveal(None, tmp_path / "none", "key")
