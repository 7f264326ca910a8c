"""The README's commands, settings and queries are real."""

import re
import shlex
from pathlib import Path

import click
import psycopg
import pytest

from onehertz.cli.main import cli
from onehertz.settings import Settings
from runtime.settings import load

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Every `onehertz …` in the README, in code spans and blocks, without comments."""
    spans = re.findall(r"`(onehertz [^`\n]+)`", README)
    spans += re.findall(r"^(onehertz .+)$", "\n".join(blocks("")), re.MULTILINE)
    return [shlex.split(span, comments=True)[1:] for span in spans]


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and what is left of them."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    return command, words


def test_the_settings_of_the_readme_are_valid(tmp_path: Path) -> None:
    for number, block in enumerate(blocks("yaml")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block, encoding="utf-8")
        settings = load(Settings, path, environment={}, overrides={})
        assert settings.cameras
        assert settings.rules


def test_the_commands_of_the_readme_exist_with_their_options() -> None:
    assert len(commands()) > 10
    for words in commands():
        command, rest = resolve(words)
        options = {name for option in command.params for name in option.opts}
        unknown = {word for word in rest if word.startswith("--")} - options
        assert not unknown, f"onehertz {' '.join(words)}"


def test_every_command_shows_an_example_in_its_help() -> None:
    for name in cli.list_commands(click.Context(cli)):
        command, _ = resolve([name])
        leaves = command.commands.values() if isinstance(command, click.Group) else [command]
        for leaf in leaves:
            assert leaf.epilog, f"onehertz {name} ({leaf.name}) has no example"
            words = shlex.split(leaf.epilog.removeprefix("Example: onehertz "), comments=True)
            assert resolve(words)[0].name == leaf.name


@pytest.mark.stack
def test_the_queries_of_the_readme_run(database: str) -> None:
    statements = [one for block in blocks("sql") for one in block.split(";") if one.strip()]
    assert len(statements) > 4
    with psycopg.connect(database) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_the_python_of_the_readme_names_what_exists() -> None:
    for block in blocks("python"):
        compile(block, "README.md", "exec")
        for module, names in re.findall(r"^from (\S+) import (.+)$", block, re.MULTILINE):
            for name in names.split(","):
                assert hasattr(__import__(module, fromlist=["_"]), name.strip())


def test_the_documents_that_are_linked_exist() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"
