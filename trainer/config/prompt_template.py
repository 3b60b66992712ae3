"""The text that an instruction, its input and its answer are put into."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter

from trainer.errors import ConfigError, Problem, nearest

KEY = "expert.prompt_template"
DEFAULT = (
    "Below is an instruction{context}. Write a response.\n\n"
    "### Instruction:\n{instruction}\n{input_section}\n### Response:\n{output}"
)
_FIELDS = ("context", "instruction", "input_section", "output")
_CONTEXT = ", paired with context"
_INPUT = "\n### Input:\n{input}\n"


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt template, split where the answer begins.

    Attributes:
        before: What stands before the answer: text and names of fields by turns.
        after: Text behind the answer.
    """

    before: tuple[tuple[str, str | None], ...]
    after: str

    @classmethod
    def of(cls, text: str | None) -> Template:
        """Read a template as `str.format` would; `{{` and `}}` are braces.

        Args:
            text: With `{instruction}` and one `{output}`, and perhaps `{context}` and
                `{input_section}`; None means the usual one.

        Raises:
            ConfigError: A placeholder is unknown or missing, or the braces do not match.
        """
        try:
            parts = [
                (text, name, spec, convert)
                for text, name, spec, convert in Formatter().parse(
                    DEFAULT if text is None else text
                )
            ]
        except ValueError as error:
            raise _refusal(
                f"The braces of the prompt template do not match: {error}.",
                "Write {{ and }} for braces that are no placeholder.",
            ) from error
        for _, name, spec, convert in parts:
            if name is not None and (name not in _FIELDS or spec or convert):
                raise _refusal(
                    f"The prompt template has a placeholder '{{{name}}}', which nothing fills.",
                    nearest(name, _FIELDS)
                    or f"There are {', '.join(f'{{{each}}}' for each in _FIELDS)}; write {{{{ and "
                    "}} for braces.",
                )
        names = [name for _, name, _, _ in parts]
        if names.count("output") != 1 or "instruction" not in names:
            raise _refusal(
                "A prompt template needs {instruction}, and {output} once.",
                "The answer stands where {output} is, and is what is learned.",
            )
        at = names.index("output")
        before = tuple((said, name) for said, name, _, _ in parts[:at])
        if late := [name for name in names[at + 1 :] if name is not None]:
            raise _refusal(
                f"The prompt template has '{{{late[0]}}}' behind the answer.",
                "Put it in front of {output}: a model answers what stands before.",
            )
        return cls((*before, (parts[at][0], None)), "".join(said for said, *_ in parts[at + 1 :]))

    def prompt(self, instruction: str, given: str = "") -> str:
        """Give what stands before the answer.

        Args:
            instruction: What to do.
            given: What to do it with; empty for nothing.
        """
        values = {
            "instruction": instruction,
            "context": _CONTEXT if given else "",
            "input_section": _INPUT.replace("{input}", given) if given else "",
        }
        return "".join(said + (values[name] if name else "") for said, name in self.before)

    def answer(self, output: str) -> str:
        """Give the answer, with what the template puts behind it."""
        return output + self.after


def _refusal(what: str, remedy: str) -> ConfigError:
    return ConfigError(Problem(what, remedy=remedy, key=KEY))
