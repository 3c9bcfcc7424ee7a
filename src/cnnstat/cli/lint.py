"""`cnnstat lint MODEL...`: mistakes in networks that run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..choices import FailOn, LintFormat, Loss
from ..errors import ModelError, UsageError
from .completion import complete_rules
from .shared_options import (  # fmt: skip
    ArgOption,
    InputOption,
    OutputOption,
    arguments_of,
    inputs_of,
    model_argument,
)
from .terminal import echo_error, echo_note

if TYPE_CHECKING:
    from ..linting.results import Lint
    from .emit import Destination


def command(
    models: Annotated[
        list[str] | None,
        model_argument(
            "Names (cnnstat list) or your own models (my_model.py:Net; the file is run).",
            "MODEL...",
        ),
    ] = None,
    input: InputOption = None,
    arg: ArgOption = None,
    select: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="CODES", show_default=False,
                     autocompletion=complete_rules,
                     help="Rules by their codes or the beginnings of these: CN1,CN205. Optional "
                     "rules by their full codes. [default: CN, or that of pyproject.toml]"),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="CODES", show_default=False,
                     autocompletion=complete_rules,
                     help="Rules that are not checked: CN301."),
    ] = None,
    loss: Annotated[
        Loss | None,
        typer.Option("--loss", show_default=False,
                     help="The loss of the training, for the rules about the output."),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option("--fail-on", show_default=False,
                     help="Exit with status 3 if a finding is at least this severe. "
                     "[default: warning, or that of pyproject.toml]"),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", show_default=False,
                     help="Leave out the findings of an earlier --output FILE.json."),
    ] = None,
    all: Annotated[
        bool, typer.Option("--all", help="All models of [tool.cnnstat.models] in pyproject.toml.")
    ] = False,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Write all fixes marked ✓ into the files of the model, after "
                     "showing the difference."),
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option("--explain", metavar="CODE", show_default=False,
                     autocompletion=complete_rules,
                     help="Describe a rule: what, why, examples, how it is decided."),
    ] = None,
    format: Annotated[
        LintFormat | None,
        typer.Option("--format", "-f", show_default=False,
                     help="[default: by the extension of --output, else table]"),
    ] = None,
    output: OutputOption = None,
) -> None:  # fmt: skip
    """Find mistakes in networks that run: untrained parameters, mixed batches, dead layers.

    Each model runs without data, in eval and train mode and on several batch sizes. Exit status 3
    if a finding is at least as severe as --fail-on, 1 if a model does not run. A comment
    # cnnstat: ignore[CN301] on the line of a layer or class silences a rule there.
    """
    from .emit import destination, emit

    if explain is not None:
        _explain(explain)
        return
    if format is None and output is not None and output.suffix == ".sarif":
        format = "sarif"
    to = destination(format, output, pictures=False)
    specs = [*(models or []), *(_named_models() if all else ())]
    if not specs:
        raise UsageError("lint takes a model", hint="cnnstat lint my_model.py:Net")
    if fix and len(specs) > 1:
        raise UsageError("--fix takes one model: another may be in the same files")
    inputs, arguments = inputs_of(input), arguments_of(arg)

    def lint_one(spec: str) -> Lint:
        from ..api import lint

        return lint(
            spec, *inputs, select=_codes(select), ignore=_codes(ignore) or (), loss=loss,
            baseline=baseline, arguments=arguments,
        )  # fmt: skip

    result, failed = _of_all(specs, lint_one, to, fix)
    if result is not None:
        emit(result, to, paged=False)
        if fix:
            _write_fixes(result)
        if _is_failure(result, fail_on, fix) and not failed:
            raise typer.Exit(3)
    if failed:
        raise typer.Exit(1)


def _of_all(
    specs: list[str], lint_one: Callable[[str], Lint], to: Destination, fix: bool
) -> tuple[Lint | None, bool]:
    """The results of all models together, and whether one does not run.

    With `fix`, the first fix of a model that does not run is written.

    Raises:
        ModelError: the only model does not run.
    """
    from .emit import result_of

    result: Lint | None = None
    failed = False
    for spec in specs:
        try:
            # Complete imports: the deepest runs and the backward pass use most of torch.
            one = result_of(
                partial(lint_one, spec), to if len(specs) == 1 else None, fix=1 if fix else None,
                fixes_findings=True,
            )  # fmt: skip
        except ModelError as error:
            if len(specs) == 1:
                raise
            named = ModelError(f"{spec}: {error.message}", *error.details, hint=error.hint)
            named.further = error.further
            echo_error(named)
            failed = True
            continue
        result = one if result is None else result + one
    return result, failed


def _codes(texts: list[str] | None) -> list[str] | None:
    """Read `--select` or `--ignore`: codes with commas, or the option again; None without."""
    if texts is None:
        return None
    return [code.strip() for text in texts for code in text.split(",") if code.strip()]


def _named_models() -> list[str]:
    from ..models.pyproject import read_project

    names = list(read_project().models)
    if not names:
        raise UsageError(
            "--all: there is no [tool.cnnstat.models] in pyproject.toml",
            hint='[tool.cnnstat.models]\n    mynet = "my_model.py:Net"',
        )
    return names


def _write_fixes(result: Lint) -> None:
    from .fixing import write_edits

    if result.edits:
        write_edits([result.edits])
    else:
        reason = "no finding has a fix that changes a file" if result.findings else "no findings"
        echo_note(f"nothing to fix: {reason}")


def _is_failure(result: Lint, fail_on: FailOn | None, is_fixed: bool) -> bool:
    """Whether a finding is severe enough; `is_fixed`: but for those that were mended."""
    from ..choices import SEVERITIES
    from ..linting.settings import config_of

    level = fail_on or config_of().fail_on
    if level == "never":
        return False
    severe = SEVERITIES[: SEVERITIES.index(level) + 1]
    return any(
        finding.severity in severe for finding in result.findings
        if not (is_fixed and finding.fix and finding.fix.edits)
    )  # fmt: skip


def _explain(code: str) -> None:
    from ..errors import nearest
    from ..linting.pages import page_of
    from ..linting.rules import RULES

    rule = RULES.get(code) or next((r for r in RULES.values() if r.name == code), None)
    if rule is None:
        close = nearest(code, [*RULES, *(rule.name for rule in RULES.values())])
        raise UsageError(f"there is no rule {code!r}", close or f"known: {', '.join(RULES)}")
    typer.echo(page_of(rule), nl=False)
