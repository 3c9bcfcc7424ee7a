"""The texts of the reference: what Markdown or a docstring could spoil."""

from __future__ import annotations

import inspect

import pytest

import cnnstat
from documentation.command_pages import _escaped, code
from documentation.commands import program
from documentation.python_pages import python_pages


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("patterns: 'resnet*'", "patterns: 'resnet\\*'"),
        ("with --top 3", "with `--top` 3"),
        ("`cnnstat devices --measure` keeps [it]", "`cnnstat devices --measure` keeps \\[it\\]"),
        ("a <- b | c", "a &lt;- b \\| c"),
        ("num_classes=10", "num_classes=10"),
    ],
)
def test_help_is_no_markdown(text: str, markdown: str) -> None:
    assert _escaped(text) == markdown


def test_a_bar_in_the_code_of_a_table() -> None:
    assert code("int | None") == "<code>int &#124; None</code>"


def test_defaults_and_choices_of_options() -> None:
    shapes = next(command for command in program()[1] if command.name == "shapes")
    options = {option.names[-1]: option for option in shapes.options}
    assert options["--lane"].choices == ("auto", "meta", "fake", "cpu")
    assert options["--lane"].default == "auto"
    assert options["--mode"].default == "eval; train with --training"
    assert options["--depth"].names == ("-d", "--depth")
    assert options["--depth"].value == "N"
    assert options["--training"].value == ""
    assert shapes.usage == "cnnstat shapes [OPTIONS] MODEL"
    assert [argument.value for argument in shapes.arguments] == ["MODEL"]


def test_every_public_name_is_described() -> None:
    text = "\n".join(python_pages().values())
    for name in cnnstat.__all__:
        if name != "__version__":
            assert f"\n### {name}\n" in text
    assert "`mode`: " in text
    assert "memory address" not in text
    assert " at 0x" not in text


def test_arguments_in_docstrings_exist() -> None:
    """What a docstring calls an argument is one of the function."""
    for name in cnnstat.__all__:
        function = getattr(cnnstat, name)
        if not inspect.isfunction(function):
            continue
        section = inspect.getdoc(function).partition("Args:\n")[2].partition("\n\n")[0]
        for line in section.splitlines():
            if line.startswith("    ") and not line.startswith("     "):
                for argument in line.partition(":")[0].replace(" ", "").split(","):
                    assert argument in inspect.signature(function).parameters, (name, argument)
