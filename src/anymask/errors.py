"""What can go wrong, as one family of exceptions.

Every message is one line for the person who made the call: what was wrong, the value seen, what would be right.
"""

import re


class AnymaskError(Exception):
    """Base of everything anymask raises on purpose."""


class InputError(AnymaskError, ValueError):
    """The caller's input cannot be used; the command line exits with 2."""


class ImageError(InputError):
    """The picture cannot be read, or breaks a limit."""


class OpeningOptionError(ImageError):
    """An ordinary image has nothing that an option of opening it could choose, such as pages.

    Attributes:
        option: "window", "bands" or "page".
    """

    def __init__(self, message: str, option: str) -> None:
        super().__init__(message)
        self.option = option

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        """Let it pass from one process to another."""
        return type(self), (str(self), self.option)


class ImageTooLargeError(ImageError):
    """The image has more pixels than the caller allows."""


class PromptError(InputError):
    """A point, box, label, mask or phrase cannot be used."""


class ModelError(InputError):
    """An unknown model, or one that cannot do this."""


class WeightsError(AnymaskError):
    """Weights cannot be fetched, are damaged, or are under a licence that was not allowed."""


class EngineError(AnymaskError):
    """An inference engine is missing or cannot run this."""


def one_line(text: object) -> str:
    """Return a text, or an error's message, with every run of white space as one blank."""
    return " ".join(str(text).split())


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its type where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip()


def quantity(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun, for messages: "1 image", "2 images", "3 classes" (where the plural is given)."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def quantity_of(count: int, plural: str) -> str:
    """A count with words whose first plural is what is counted: "2 boxes without masks", "1 box without masks"."""
    if count != 1:
        return f"{count:,} {plural}"
    one = re.sub(r"(?:(ie)|(?<=ss)e|(?<=x)e)?s\b", lambda ending: "y" if ending[1] else "", plural, count=1)
    return f"1 {one}".replace(" they were ", " it was ")
