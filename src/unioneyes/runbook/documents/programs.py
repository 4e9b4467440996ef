"""Which program a command runs, and with what: what stands before it (`sudo`, `env`, a path) and options with their values are told from its operands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from unioneyes.runbook.documents.shell import Command, read_script

_ASSIGNED = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_DEEPEST = 4
"""Commands within commands within commands: further ones are not looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """What a program's options look like. Source: its manual page."""

    valued: str
    """Short options that take a value, each one letter; what follows them in the same word is their value."""
    flags: str = ""
    """Short options that take none."""
    long: frozenset[str] = frozenset()
    """Long options that take a value."""
    long_flags: frozenset[str] = frozenset()
    skips: int = 0
    """Operands of its own, before the command that it runs: `timeout 5 COMMAND`."""


def _syntax(valued: str = "", flags: str = "", long: str = "", long_flags: str = "", *, skips: int = 0) -> Syntax:
    return Syntax(valued=valued, flags=flags, long=frozenset(long.split()), long_flags=frozenset(long_flags.split()), skips=skips)


_BEFORE: Mapping[str, Syntax] = {
    "sudo": _syntax("CDghpRrTtUu", "AbEHeiKklnPSsVv", "user group host prompt chroot chdir close-from", "preserve-env non-interactive login shell set-home"),
    "doas": _syntax("Cu", "Lns"),
    "env": _syntax("CSu", "0iv", "chdir unset split-string", "ignore-environment null"),
    "nice": _syntax("n", "", "adjustment"),
    "ionice": _syntax("cnp", "t"),
    "nohup": _syntax(),
    "setsid": _syntax("", "cfw"),
    "time": _syntax("fo", "apqv"),
    "timeout": _syntax("ks", "v", "kill-after signal", "foreground preserve-status verbose", skips=1),
    "stdbuf": _syntax("eio"),
    "command": _syntax("", "p"),
    "builtin": _syntax(),
    "exec": _syntax("a", "cl"),
    "coproc": _syntax(),
    "xargs": _syntax("adEILnPs", "0rtx", "arg-file delimiter max-args max-procs max-lines replace", "null no-run-if-empty verbose"),
}
"""Programs that run the command which follows them."""

_SYNTAX: Mapping[str, Syntax] = {
    "kubectl": _syntax(
        "cfklLnopsv",
        "AihqRtwWx",
        "namespace context cluster kubeconfig server user token as as-group as-uid cache-dir certificate-authority client-certificate client-key "
        "request-timeout tls-server-name profile profile-output username password v vmodule selector output filename container replicas tail since "
        "since-time patch type timeout for image from-literal from-file from-env-file field-selector sort-by label-columns template limit-bytes "
        "max-log-requests grace-period current-replicas resource-version revision to-revision field-manager pod-running-timeout kustomize raw",
        "insecure-skip-tls-verify match-server-version warnings-as-errors disable-compression all-namespaces all watch follow previous stdin tty "
        "no-headers show-labels timestamps prefix force now wait ignore-not-found recursive all-containers show-events containers",
    ),
    "psql": _syntax(
        "cdfFhLopPRTUv",
        "01aAbeEHlnqsStVwWxXz",
        "command dbname file field-separator host log-file output port pset record-separator table-attr username set variable",
        "no-psqlrc no-align tuples-only expanded quiet single-transaction no-password password list echo-all echo-errors echo-queries html csv version",
    ),
    "docker": _syntax(
        "cHlfpuvwe", "DitdTa", "config context host log-level file project-name user workdir env", "tls tlsverify debug interactive tty detach all"
    ),
    "ssh": _syntax("BbcDEeFIiJLlmOopQRSWw", "46AaCfGgKkMNnqsTtVvXxYy"),
    "helm": _syntax(
        "nfo", "ahiq", "namespace kubeconfig kube-context values set set-string set-file version output timeout", "debug dry-run wait atomic install"
    ),
}
_SHELLS = {"bash", "sh", "zsh", "dash", "ash", "ksh"}
_ONLY_FLAGS = {"logs": "fp"}
"""Letters that take no value behind these verbs of kubectl and docker, though they do behind others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One program with its words."""

    program: str
    """Without its path."""
    words: tuple[str, ...]
    """Everything behind it."""
    operands: tuple[str, ...]
    """Those that are neither options nor their values, up to `--`."""
    options: tuple[tuple[str, str | None], ...]
    """Each with its value, in their order: `-n`, `--file`."""
    certain: int
    """How many of the operands stand before the first option that is not known: it could have a value, and the next operand be that."""
    behind: tuple[str, ...]
    """What stands behind `--`."""
    before: tuple[str, ...] = ()
    """What it stands behind: `sudo`, `timeout`, a path."""

    @property
    def verb(self) -> str:
        """Its first operand; empty when there is none."""
        return self.operands[0] if self.operands else ""

    def values(self, *names: str) -> tuple[str, ...]:
        """Return the values that the options of these names were given."""
        return tuple(value for name, value in self.options if name in names and value is not None)

    def has(self, *names: str) -> bool:
        """Return True when one of these options stands there."""
        return any(name in names for name, _ in self.options)


def invocation(words: Sequence[str]) -> Invocation:
    """Return the program that `words` run."""
    rest = list(words)
    before: list[str] = []
    while rest:
        name = _name(rest[0])
        if _ASSIGNED.fullmatch(rest[0]) and len(rest) > 1:
            before.append(rest.pop(0))
        elif name in _BEFORE and (inner := _behind(_BEFORE[name], rest[1:])):
            before.append(name)
            rest = inner
        else:
            break
    if not rest:
        return Invocation(program="", words=(), operands=(), options=(), certain=0, behind=(), before=tuple(before))
    name = _name(rest[0])
    found = _Read(name)
    found.read(rest[1:])
    return Invocation(
        program=name,
        words=tuple(rest[1:]),
        operands=tuple(found.operands),
        options=tuple(found.options),
        certain=len(found.operands) if found.certain is None else found.certain,
        behind=tuple(found.behind),
        before=(*before, *([rest[0].removesuffix(name)] if rest[0] != name else [])),
    )


def invocations(command: Command) -> tuple[Invocation, ...]:
    """Return what the command runs: its own program first, then what that one has others run, as `kubectl exec`, `ssh`, `sh -c` and `find -exec` do."""
    return tuple(_with_inner(command.words, _DEEPEST))


def _with_inner(words: Sequence[str], deepest: int) -> Iterator[Invocation]:
    outer = invocation(words)
    yield outer
    if deepest:
        for inner in _handed_on(outer):
            yield from _with_inner(inner, deepest - 1)


def _handed_on(outer: Invocation) -> Iterator[Sequence[str]]:
    """Yield the words of each command that `outer` has carried out elsewhere."""
    match outer.program:
        case "kubectl" if outer.verb in {"exec", "debug", "run"}:
            yield from _some(outer.behind or outer.operands[2:])
        case "docker" if "exec" in outer.operands[:2]:
            yield from _some(outer.operands[outer.operands.index("exec") + 2 :] or outer.behind)
        case "docker" if "run" in outer.operands[:2]:
            yield from _some(outer.operands[outer.operands.index("run") + 2 :] or outer.behind)
        case "ssh":
            yield from _scripted(" ".join((*outer.operands[1:], *outer.behind)))
        case program if program in _SHELLS:
            at = next((at for at, word in enumerate(outer.words) if re.fullmatch(r"-\w*c", word)), None)
            if at is not None:
                yield from _scripted(" ".join(outer.words[at + 1 : at + 2]))
        case "eval":
            yield from _scripted(" ".join(outer.words))
        case "find":
            starts = [at for at, word in enumerate(outer.words) if word in {"-exec", "-execdir", "-ok"}]
            yield from (outer.words[at + 1 :] for at in starts if outer.words[at + 1 :])
        case _:
            return


def _some(words: Sequence[str]) -> Iterator[Sequence[str]]:
    if words:
        yield words


def _scripted(code: str) -> Iterator[Sequence[str]]:
    for command in read_script(code).commands:
        yield command.words


def _name(word: str) -> str:
    return word.rpartition("/")[2].removeprefix("\\") or word


def _behind(before: Syntax, words: Sequence[str]) -> list[str]:
    """Return the command that follows the options of a program which runs it; empty when there is none."""
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        letter = next((letter for letter in word[1:] if letter in before.valued), None) if not word.startswith("--") else None
        valued = word.removeprefix("--") in before.long if word.startswith("--") else letter is not None and word.endswith(letter)
        if valued and rest:
            rest.pop(0)
    while rest and _ASSIGNED.fullmatch(rest[0]):
        rest.pop(0)
    return rest[before.skips :]


class _Read:
    """Tells a program's options, with their values, from its operands."""

    def __init__(self, program: str) -> None:
        self.operands: list[str] = []
        self.options: list[tuple[str, str | None]] = []
        self.behind: list[str] = []
        self.certain: int | None = None
        self._program = program
        self._syntax = _SYNTAX.get(program, Syntax(valued=""))

    def read(self, words: Sequence[str]) -> None:
        """Every word was told."""
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "--":
                self.behind = rest
                return
            if word.startswith("--"):
                self._long(word[2:], rest)
            elif word.startswith("-") and len(word) > 1:
                self._short(word[1:], rest)
            else:
                self.operands.append(word)
                if self._ends_here():
                    self.operands += rest
                    return

    def _ends_here(self) -> bool:
        """Return True where the rest is another command's, options and all."""
        match self._program:
            case "ssh":
                return len(self.operands) == 1
            case "docker":
                return self.operands[-2:-1] in (["exec"], ["run"])
            case _:
                return False

    def _long(self, word: str, rest: list[str]) -> None:
        name, equals, value = word.partition("=")
        if equals:
            self.options.append((f"--{name}", value))
        elif name in self._syntax.long:
            self.options.append((f"--{name}", rest.pop(0) if rest else None))
        else:
            self.options.append((f"--{name}", None))
            self._unknown(name in self._syntax.long_flags)

    def _short(self, letters: str, rest: list[str]) -> None:
        flags = self._syntax.flags + "".join(_ONLY_FLAGS.get(operand, "") for operand in self.operands[:2])
        for at, letter in enumerate(letters):
            if letter in self._syntax.valued and letter not in flags:
                attached = letters[at + 1 :].removeprefix("=")
                self.options.append((f"-{letter}", attached or (rest.pop(0) if rest else None)))
                return
            self.options.append((f"-{letter}", None))
            self._unknown(letter in flags)

    def _unknown(self, known: bool) -> None:  # noqa: FBT001 - one of two
        if not known and self._program in _SYNTAX and self.certain is None:
            self.certain = len(self.operands)
