"""The plumbing of the command line: help, exit codes, streams."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import archsim
from archsim.cli import main as main_module
from archsim.cli.main import COMMANDS, cli
from archsim.errors import InputError

ROOT = Path(archsim.__file__).parent.parent


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command line, in this process."""
    result = CliRunner().invoke(cli, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> object:
    """A function that makes `archsim run` raise what it is given."""

    def arrange(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            raise error

        monkeypatch.setattr(
            main_module, "import_module", lambda name: type("M", (), {"command": command})
        )

    return arrange


def test_without_an_argument_help_is_printed() -> None:
    """`archsim` says what it can do, on standard output, and succeeds."""
    code, out, err = run()
    assert (code, err) == (0, "")
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_json(name: str) -> None:
    """`--help` of each command fits 80 columns, shows an example and names `--json`."""
    code, out, _ = run(name, "--help")
    assert code == 0
    assert f"Example: archsim {name} " in out
    assert "--json" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_help_agrees_with_the_command(name: str) -> None:
    """The overview speaks of a command that exists, under the name that it is given."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.help
    assert COMMANDS[name][1].endswith(".")
    assert len(COMMANDS[name][1]) <= 66


def test_version() -> None:
    """`--version` gives the package's version."""
    assert run("--version") == (0, f"archsim, version {archsim.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ruin"], "there is no command 'ruin'. Did you mean 'run'?"),
        (["--colour"], "--colour"),
        (["inspect"], "MODEL"),
        (["run", "lenet", "--dim", "seq"], "NAME=SIZE, such as seq=384"),
        (["run", "lenet", "--dim", "seq=1", "--dim", "seq=2"], "'seq' is given twice"),
        (["run", "lenet", "--shape", "ids=8y"], "INPUT=AxBxC, such as input_ids=8x384"),
        (["run", "lenet", "--set", "adc.bits"], "PATH=VALUE, such as adc.bits=7"),
        (["run", "lenet", "--batch", "0"], "--batch"),
        (["schema", "arc"], "'arch'"),
    ],
)
def test_wrong_use_exits_2_with_a_sentence(arguments: list[str], says: str) -> None:
    """A usage error is on standard error, begins with `error:`, and leaves the output empty."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert says in err
    assert "Traceback" not in err


def test_bad_input_exits_2(failing: object) -> None:
    """An `InputError` is one sentence on standard error."""
    failing(InputError("it is wrong.", place="a.yaml:3:5", remedy="Mend it."))  # type: ignore[operator]
    assert run("run") == (2, "", "error: a.yaml:3:5: it is wrong. Mend it.\n")


def test_messages_carry_no_control_characters(failing: object) -> None:
    """A hostile name cannot send escape sequences to the terminal."""
    failing(InputError("node '\x1b]0;x\x07' is wrong"))  # type: ignore[operator]
    code, _, err = run("run")
    assert code == 2
    assert "\x1b" not in err
    assert "\x07" not in err


def test_interrupt_exits_130(failing: object) -> None:
    """Ctrl-C ends the command with the shell's code for it, without a traceback."""
    failing(KeyboardInterrupt())  # type: ignore[operator]
    assert run("run") == (130, "", "interrupted\n")


@pytest.mark.parametrize("error", [KeyError("x"), EOFError("short"), AssertionError()])
def test_a_defect_exits_70_and_says_how_to_see_it(failing: object, error: Exception) -> None:
    """An unexpected exception is one readable line that names the way to its traceback."""
    failing(error)  # type: ignore[operator]
    code, out, err = run("run")
    assert (code, out) == (70, "")
    assert err.count("\n") == 1
    assert type(error).__name__ in err
    assert "ARCHSIM_TRACEBACK=1" in err


def test_the_traceback_can_be_asked_for(failing: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable set, the exception itself gets out."""
    monkeypatch.setenv("ARCHSIM_TRACEBACK", "1")
    failing(KeyError("x"))  # type: ignore[operator]
    assert isinstance(CliRunner().invoke(cli, ["run"]).exception, KeyError)


def test_a_full_disk_is_no_defect(failing: object) -> None:
    """What the system refuses is reported with the file's name, as bad input."""
    failing(OSError(28, "No space left on device", "out/x.csv"))  # type: ignore[operator]
    assert run("run") == (2, "", "error: out/x.csv: No space left on device\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`archsim ... | head` ends quietly, with the code that a broken pipe has in a shell."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-m", "archsim", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


# One that prints a table, and one that prints JSON.
@pytest.mark.parametrize("arguments", [("list", "archs"), ("schema", "gpu")])
def test_every_command_ends_quietly_with_its_reader(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """Tables and JSON alike: a reader that goes away gives 141 and no word, not a defect."""
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-m", "archsim", *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are those of POSIX")
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_are_as_good_as_none(closed: str, tmp_path: Path) -> None:
    """With its standard streams closed a command does its work, and into no file by accident."""
    line = f'"$0" -m archsim run mlp --arch protonic_256 --out out {closed}'
    done = subprocess.run(
        ["sh", "-c", line, sys.executable],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    stored = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert stored["workload"]["name"] == "mlp"


@pytest.mark.parametrize(
    "arguments", [("list", "workloads"), ("run", "mlp", "--arch", "protonic_256", "--gpu", "h100")]
)
def test_a_terminal_without_greek_gets_plain_letters(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """In an ASCII locale nothing is lost and nothing becomes a question mark: us, x, ^2."""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "archsim", *arguments],
        check=False,
        capture_output=True,
        cwd=tmp_path,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), **ascii_only},
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("ascii")
    assert "?" not in text
    if arguments[0] == "run":
        assert re.search(r"\d us\b", text)
        assert "mm^2" in text


def test_help_starts_fast() -> None:
    """`archsim --help` costs little more than an interpreter: no library that it does not need."""
    best = min(_cpu_seconds("-m", "archsim", "--help") for _ in range(3))
    bare = min(_cpu_seconds("-c", "import click") for _ in range(3))
    assert best - bare < 0.15


def _cpu_seconds(*arguments: str) -> float:
    before = os.times()
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_ctrl_c_in_a_real_process() -> None:
    """An interrupt from the terminal gives 130 and one word, while a command works."""
    script = (
        "import time, click, archsim.cli.main as m\n"
        "@click.command()\n"
        "def command():\n"
        "    click.echo('ready'); time.sleep(60)\n"
        "m.import_module = lambda name: type('M', (), {'command': command})\n"
        "m.cli(['run'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
