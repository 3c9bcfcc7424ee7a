"""How often the diagnosis finds what people were answered.

`tests/diagnosis/questions/` has files rebuilt from public questions. The head of each has the
question, the kind of mistake, the command, and the accepted answers, as lines to replace.

    python benchmarks/questions.py [--set NAME] [--misses] [NAME ...]
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

from fix_verdicts import Mistake, Program, judge, print_misses, shares

FOLDER = Path(__file__).parent.parent / "tests" / "diagnosis" / "questions"
_COMMAND = re.compile(r"\$ cnnstat shapes \S+?:(?P<target>\w+) *(?P<options>.*)")


def questions(chosen: str = "") -> list[Mistake]:
    """Those of one of the sets, or all.

    "train": edits and weights were written with them. "validation": they were looked at while
    weights were chosen. "test": they were measured before they were looked at.
    """
    found = (question(file) for file in sorted(FOLDER.glob("*.py")))
    return [mistake for name, mistake in found if chosen in ("", name)]


def question(file: Path) -> tuple[str, Mistake]:
    """The set that it belongs to, and the mistake."""
    source = file.read_text()
    head = source.split('"""')[1]
    fields = dict(re.findall(r"^(\w+): (.+)$", head, re.MULTILINE))
    command = _COMMAND.search(head)
    assert command is not None, file
    broken = Program(source, command["target"], command["options"].strip())
    answers = re.split(r"^accepted.*\n", head, flags=re.MULTILINE)[1:]
    accepted = tuple(_answered(broken, answer) for answer in answers)
    return fields["set"], Mistake(
        file.stem, fields["kind"], broken, accepted, fields["kind"] == "silent"
    )


def _answered(broken: Program, answer: str) -> Program:
    """With the lines after `-` replaced by those after `+`; or another input, after `$`."""
    options = re.search(r"^\$ (.*)$", answer, re.MULTILINE)
    head, quotes, code = broken.source[3:].partition('"""')
    for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)*)", answer, re.MULTILINE):
        before, after = (re.sub(r"^[-+]", "", text, flags=re.MULTILINE) for text in (old, new))
        assert code.count("\n" + before) == 1, (broken.target, before)
        code = code.replace("\n" + before, "\n" + after)
    return Program('"""' + head + quotes + code, broken.target,
                   options[1] if options else broken.options)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", default="", choices=["train", "validation", "test"])
    parser.add_argument("--misses", action="store_true", help="print each that is not first")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        verdicts = [
            judge(mistake, Path(folder)) for mistake in questions(given.set)
            if not given.names or mistake.name in given.names
        ]  # fmt: skip
    print(shares(verdicts))
    by_time = sorted(verdicts, key=lambda verdict: verdict.seconds)
    median, longest = by_time[len(by_time) // 2], by_time[-1]
    print(f"median {median.seconds:.2f} s of CPU beyond importing torch, longest "
          f"{longest.seconds:.2f} s: {longest.mistake.name}")  # fmt: skip
    if given.misses:
        print_misses(verdicts)
    if given.names:
        for verdict in verdicts:
            print(verdict.text)


if __name__ == "__main__":
    main()
