"""Reading files that others wrote: exactly as many bytes as were announced, and never too many."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import IO, cast

from archsim.errors import InputError

# More than any data set of this size of network; a header that promises more is a mistake or worse.
LARGEST_BYTES = 4 * 2**30
_CHUNK = 2**22


def opened(path: Path) -> IO[bytes]:
    """The file as a stream of plain bytes; names that end in `.gz` are unpacked on the way."""
    try:
        if path.suffix == ".gz":
            return cast("IO[bytes]", gzip.open(path, "rb"))
        return path.open("rb")
    except OSError as error:
        raise InputError(
            f"the file cannot be read ({error.strerror or error}).", place=str(path)
        ) from None


def take(stream: IO[bytes], size: int, path: Path, what: str) -> bytearray:
    """The next `size` bytes, which the file calls `what`; InputError if there are fewer.

    Memory grows with what arrives, so that a header cannot ask for more than the file holds.
    """
    found = bytearray()
    try:
        while len(found) < size and (chunk := stream.read(min(_CHUNK, size - len(found)))):
            found += chunk
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"the file is damaged or cut off: {len(found):,} of {size:,} bytes of {what} could be "
            f"read ({error}).",
            place=str(path),
            remedy="Fetch it again.",
        ) from None
    if len(found) < size:
        raise InputError(
            f"the file is cut off: {what} takes {size:,} bytes, and {len(found):,} are there.",
            place=str(path),
            remedy="Fetch it again.",
        )
    return found


def refuse_more(stream: IO[bytes], path: Path) -> None:
    """InputError if anything follows what was announced."""
    try:
        more = stream.read(1)
    except (OSError, EOFError, zlib.error):
        more = b"?"
    if more:
        raise InputError(
            "the file goes on behind the data that its header announces.",
            place=str(path),
            remedy="Fetch it again.",
        )


def refuse_large(size: int, path: Path) -> None:
    """InputError if `size` bytes are more than are ever read."""
    if size > LARGEST_BYTES:
        raise InputError(
            f"the file announces {size:,} bytes of data; at most {LARGEST_BYTES:,} are read.",
            place=str(path),
            remedy="Check that it is the file that was meant, or give a part of the data.",
        )
