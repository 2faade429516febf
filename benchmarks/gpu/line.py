"""One JSON line at the end of a call, what is known so far on stderr, and a clock that no part outlives."""

import argparse
import json
import platform
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import torch


class Missing(Exception):  # noqa: N818 - no error: a part is left out, and this says why
    """Why a part is not measured here."""


@dataclass
class Line:
    """What a call has found: a part that fails, is missing or no longer fits is null, with the reason beside it."""

    call: str
    seconds: float
    """What the call may take, from now on."""
    dry: bool
    found: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    start: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds until the call should end."""
        return self.start + self.seconds - time.monotonic()

    def part(self, name: str, make: Callable[[], Any], *, needs: float = 0.0) -> Any:
        """Measures one part, unless fewer than `needs` seconds are left."""
        began, value = time.monotonic(), None
        try:
            if not self.dry and self.left() < needs:
                raise Missing(f"{self.left():.0f} s are left and it needs {needs:.0f} s")
            value = make()
        except Missing as why:
            self.reasons[name] = str(why)
        except Exception as error:  # the other parts are still worth having
            self.failed.append(name)
            self.reasons[name] = f"{type(error).__name__}: {str(error).strip()[:300]}"
        self.found[name] = value
        said = {name: value, "took_s": round(time.monotonic() - began, 2)}
        say(said | ({"reason": self.reasons[name]} if name in self.reasons else {}))
        return value

    def as_json(self) -> str:
        """The line."""
        took = round(time.monotonic() - self.start, 1)
        about = {"call": self.call, "dry_run": self.dry, "took_s": took, "machine": machine()}
        return json.dumps(about | self.found | {"reasons": self.reasons, "failed": self.failed})


def say(what: dict[str, Any]) -> None:
    """A partial result, so that a call that is cut off still tells something."""
    sys.stderr.write(json.dumps(what) + "\n")
    sys.stderr.flush()


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    facts = {"python": platform.python_version(), "torch": torch.__version__, "device": "cpu"}
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        facts |= {
            "device": card.name,
            "memory_gib": round(card.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return facts


def where() -> torch.device:
    """The GPU, or a CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def synchronise() -> None:
    """Waits until the GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def arguments(about: str | None, minutes: float) -> argparse.ArgumentParser:
    """What every call takes."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--dry-run", action="store_true", help="one small step of each part (without CUDA: always)"
    )
    parser.add_argument("--minutes", type=float, default=minutes, help="what the call may take (%(default)g)")
    return parser


def call(
    name: str, options: argparse.Namespace, measure: Callable[[Line, argparse.Namespace], None]
) -> NoReturn:
    """Measures, prints the line whatever happens, and ends with 1 where a part failed."""
    dry = options.dry_run or not torch.cuda.is_available()
    line = Line(call=name, seconds=60 * options.minutes, dry=dry)
    signal.signal(signal.SIGTERM, _cut_off)
    try:
        measure(line, options)
    except KeyboardInterrupt as why:
        line.reasons["the call"] = str(why) or "it was interrupted"
        line.failed.append("the call")
    print(line.as_json(), flush=True)
    sys.exit(1 if line.failed else 0)


def _cut_off(number: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt("it was cut off by a signal before its end")
