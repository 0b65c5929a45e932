"""Writing files as a whole: a reader sees the old ones or the new ones, never half of them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from archsim.errors import InputError


def check_writable(folder: Path) -> None:
    """Raise `InputError` if no file could be made in `folder`, which need not exist yet.

    Touches nothing.
    """
    real = Path(os.path.realpath(folder))
    while not real.exists() and real != real.parent:
        real = real.parent
    if not real.is_dir():
        raise InputError(
            f"'{real.name}' is a file, so no folder can be made in it.",
            place=str(folder),
            remedy="Give another name with --out.",
        )
    if not os.access(real, os.W_OK | os.X_OK):
        raise InputError(
            f"no permission to write in '{real.name or real}'.",
            place=str(folder),
            remedy="Give a writable folder with --out.",
        )


def replace_file(target: Path, content: bytes) -> None:
    """Put `content` at `target` by a rename, on the disk before it is seen.

    A crash leaves the old file or the new one.  Raises `OSError`; nothing has changed then.
    """
    fresh = target.with_name(f".archsim-{secrets.token_hex(6)}.tmp")
    try:
        with fresh.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def put_in_place(
    folder: Path, files: Mapping[str, str | bytes], outdated: Iterable[str] = ()
) -> None:
    """Write `files` into `folder`, made if need be, and remove the `outdated` ones.

    `files` maps names to texts, or to bytes that are written as they are.  All texts are written under temporary names first; then each file replaces its predecessor by a
    rename, in the order given, so that the last one marks the whole as complete.  A failure, or an
    interrupt while texts are written, leaves what was there before; an interrupt during the renames
    waits until they are done.  Raises `InputError` if the folder cannot be written.
    """
    made = _missing_parents(folder)
    token = secrets.token_hex(4)
    fresh = {folder / name: folder / f".{name}.{token}" for name in files}
    complete = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for (target, temporary), text in zip(fresh.items(), files.values(), strict=True):
            if isinstance(text, bytes):
                temporary.write_bytes(text)
            else:
                temporary.write_text(_encodable(text), encoding="utf-8", newline="\n")
            _keep_mode(target, temporary)
        _replace(fresh)
        complete = True
        for name in outdated:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"the output cannot be written ({error.strerror or error}).",
            place=str(folder),
            remedy="Give a writable folder with --out.",
        ) from None
    finally:
        if not complete:
            _remove(fresh.values(), made)


def _missing_parents(folder: Path) -> list[Path]:
    """The folders that would have to be made for `folder`, innermost first."""
    found = []
    while not folder.exists() and folder != folder.parent:
        found.append(folder)
        folder = folder.parent
    return found


def _keep_mode(target: Path, temporary: Path) -> None:
    """Give a file that will replace another the permissions of that one."""
    if target.exists():
        temporary.chmod(target.stat().st_mode & 0o777)


def _replace(fresh: Mapping[Path, Path]) -> None:
    """Rename each temporary file to its target; on an error the targets get their old texts back."""
    old = {target: target.read_bytes() for target in fresh if target.exists()}
    waiting = list(fresh)
    interrupt: KeyboardInterrupt | None = None
    while waiting:
        try:
            if fresh[waiting[0]].exists():
                fresh[waiting[0]].replace(waiting[0])
            del waiting[0]
        except KeyboardInterrupt as error:
            interrupt = error  # to stop here would leave files of two runs side by side
        except OSError:
            _restore([target for target in fresh if target not in waiting], old)
            raise
    if interrupt is not None:
        raise interrupt


def _restore(replaced: Iterable[Path], old: Mapping[Path, bytes]) -> None:
    for target in replaced:
        if target in old:
            target.write_bytes(old[target])
        else:
            target.unlink(missing_ok=True)


def _remove(files: Iterable[Path], folders: Iterable[Path]) -> None:
    """Clear away temporary files, and the folders that were made for them."""
    for file in files:
        file.unlink(missing_ok=True)
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:  # not made, or somebody put something into it
            return


def _encodable(text: str) -> str:
    """`text` without lone surrogates, which a hostile name may hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")
