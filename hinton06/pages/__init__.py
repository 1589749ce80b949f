"""Pages that are one file each: a template of a package, filled in, and the colours that all share.

Not in the chapter.
"""

from __future__ import annotations

import base64
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hinton06.console import plain


def text(package: str, name: str) -> str:
    """A text file that lies in a package."""
    return (resources.files(package) / name).read_text(encoding="utf-8")


def data_url(content: bytes, kind: str) -> str:
    """A URL that holds a file, of a kind such as ``image/png``, itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def rendered(package: str, **values: Any) -> str:
    """A package's `page.html` with its style (the shared colours first) and these values.

    They are escaped where the template does not call them safe. The same page for the same values.
    """
    style = text(__name__, "palette.css") + text(package, "page.css")
    environment = Environment(
        loader=PackageLoader(package, ""), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    page = environment.get_template("page.html").render(style=style, zip=zip, **values)
    return plain(page, "utf-8")  # names of files may be no text
