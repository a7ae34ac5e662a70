"""What may become part of an image?"""

import re

from deploy.local.layout import PROJECT

IGNORED = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
DOCKERFILE = (PROJECT / "deploy" / "Dockerfile").read_text(encoding="utf-8")


def test_nothing_enters_the_build_unless_it_is_named() -> None:
    """A key, a data folder or a new file of somebody's cannot slip in: all is shut out first."""
    rules = [line for line in IGNORED if line and not line.startswith("#")]
    assert rules[0] == "*"


def test_what_the_build_copies_is_let_in() -> None:
    """Each source of a COPY is named by the ignore file, or lies above what is."""
    let_in = [line[1:] for line in IGNORED if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    assert copied
    assert all(any(path == one or path.startswith(f"{one}/") for path in let_in) for one in copied), copied
    assert all((PROJECT / path).exists() for path in let_in)


def test_libraries_are_installed_by_their_hashes() -> None:
    """The image has the libraries that were tested, byte by byte."""
    assert "--require-hashes" in DOCKERFILE


def test_the_image_runs_as_nobody_in_particular() -> None:
    """The last user named is a number other than root's, so that an orchestrator can see that it is not root."""
    assert re.findall(r"^USER (\d+)", DOCKERFILE, re.MULTILINE)[-1] != "0"
