"""`clf completion`: what makes the shell complete verbs, options, job ids and recipe names."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from recipes.errors import HomeError, UsageError


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


SCRIPTS = {
    Shell.BASH: """\
_clf() {
    local IFS=$'\\n' line
    COMPREPLY=()
    for line in $(_CLF_COMPLETE=bash "${1/#\\~/$HOME}" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
        [ "$line" = ":files" ] || COMPREPLY+=("$line")
    done
    case "${#COMPREPLY[@]} ${COMPREPLY[0]}" in
        "1 "*= | "1 "*/) compopt -o nospace 2>/dev/null ;;
    esac
}
complete -o default -o nosort -F _clf clf 2>/dev/null || complete -o default -F _clf clf
""",
    Shell.ZSH: """\
#compdef clf
_clf() {
    local -a values displays options
    local line
    for line in "${(@f)$(_CLF_COMPLETE=zsh ${~words[1]} "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
        if [[ "$line" == ":files" ]]; then
            _files
            return
        elif [[ -n "$line" ]]; then
            values+=("${line%%$'\\t'*}")
            displays+=("${line/$'\\t'/  -- }")
            [[ "$line" == *$'\\t'* ]] && options=(-l)
        fi
    done
    [[ "$values[1]" == *[=/] ]] && options+=(-S '')
    (( $#values )) && compadd -V clf $options -d displays -a values
}
if [[ "$funcstack[1]" == "_clf" ]]; then
    _clf "$@"
else
    compdef _clf clf
fi
""",
    Shell.FISH: """\
function __clf_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l offers (_CLF_COMPLETE=fish command $words 2>/dev/null)
    if test "$offers[1]" = ":files"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $offers
    end
end
complete -c clf -f -k -a '(__clf_complete)'
""",
}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(completion)


def completion(
    shell: Annotated[Shell | None, typer.Argument(help="Your own ($SHELL) unless named.", show_default=False)] = None,
    install: Annotated[bool, typer.Option("--install", help="Write it where the shell looks for it.")] = False,
) -> None:
    """Teach the shell verbs, options, job ids and recipe names: prints the script, or with --install writes it."""
    chosen = shell or _own_shell()
    if not install:
        typer.echo(SCRIPTS[chosen], nl=False)
        return
    for path in write(chosen):
        typer.echo(f"wrote {path}")
    typer.echo("it counts in every shell that is opened from now on")


def _own_shell() -> Shell:
    name = Path(os.environ.get("SHELL", "")).name
    if name in list(Shell):
        return Shell(name)
    raise UsageError(f"no completion for the shell '{name}'", f"one of {', '.join(Shell)}: clf completion bash")


def write(shell: Shell) -> list[Path]:
    """Write the script, and in bash and zsh the line of the start-up file that loads it; raises HomeError."""
    home = Path.home()
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    if shell is Shell.FISH:
        return [_written(settings / "fish" / "completions" / "clf.fish", SCRIPTS[shell])]
    script = data / "clf" / f"completion.{shell}"
    start = home / ".bashrc" if shell is Shell.BASH else Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
    lines = f"source '{script}'\n"
    if shell is Shell.ZSH:
        lines = f"(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}\n{lines}"
    there = start.read_text(encoding="utf-8") if start.is_file() else ""
    written = [_written(script, SCRIPTS[shell])]
    if f"source '{script}'" not in there:
        gap = "" if not there or there.endswith("\n") else "\n"
        written.append(_written(start, f"{there}{gap}# completion of clf\n{lines}"))
    return written


def _written(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HomeError(f"cannot write {path}: {error.strerror}", "clf completion prints the script") from error
    return path
