"""What do the goal's headers say once names stand for values of this worker's environment?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from workers.order import CannotPrepare

OWN_PREFIX = "TONNAGE_"
_NAME = re.compile(r"\$\{([^}]*)\}")


def resolve_headers(
    headers: Sequence[tuple[str, str]], environment: Mapping[str, str]
) -> dict[str, str]:
    """Replace every ${NAME}.

    Raises:
        CannotPrepare: a name is not set here, or is one of our own.
    """

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith(OWN_PREFIX):
            raise CannotPrepare(
                f"header value ${{{name}}} is refused: variables that begin with {OWN_PREFIX} are "
                "the fleet's own"
            )
        if name not in environment:
            raise CannotPrepare(
                f"header value ${{{name}}}: the variable is not set in this worker's environment"
            )
        return environment[name]

    return {header: _NAME.sub(value_of, value) for header, value in headers}
