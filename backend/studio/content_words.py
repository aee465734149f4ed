"""What the checks of content say: of each finding what it is, what it does to the training, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from backend.domain_datasets import Severity
from backend.i18n import _, ngettext
from backend.studio import finding_codes as codes
from backend.studio.languages import names
from backend.studio.private_data import ACCOUNT, KEY, MAIL, PHONE
from backend.studio.text_checks import (
    HTML,
    LOST_CHARACTERS,
    REFUSAL,
    REPEATS_QUESTION,
    TEMPLATE_TOKENS,
    WRONG_DECODING,
)


class ContentWords(NamedTuple):
    """`fix` and `skip` are empty where nothing of the kind can be done."""

    severity: Severity
    title: str
    effect: str
    fix: str = ""
    skip: str = ""
    advice: str = ""


def describe_content(code: str, count: int, figures: Mapping[str, float]) -> ContentWords:
    """Raises KeyError for a code that is none of `finding_codes`."""
    if code == codes.TOO_FEW:
        return _too_few(count)
    if code in {codes.ONE_ANSWER, codes.UNEVEN_ANSWERS, codes.LANGUAGES}:
        return _of_set(code, count, figures)
    if code in {*codes.LEAKS, codes.DUPLICATES, codes.NEAR_DUPLICATES, codes.CONFLICTING}:
        return _of_pairs(code, count)
    if code in {MAIL, PHONE, KEY, ACCOUNT}:
        return _private(code, count)
    return _of_text(code, count, figures)


def describe_pair(code: str, line: str, other: str) -> str:
    """How one row stands to another; both are said as places."""
    words = {
        codes.DUPLICATES: _("{line} is the same as {other}."),
        codes.NEAR_DUPLICATES: _("{line} is nearly the same as {other}."),
        codes.CONFLICTING: _("{line} asks what {other} asks, and is answered differently."),
        codes.LEAK_EXACT: _("{line} is {other}."),
        codes.LEAK_QUESTION: _("{line} asks what {other} asks."),
        codes.LEAK_NEAR: _("{line} is nearly {other}."),
    }
    sentence = words[code].format(line=line, other=other)
    return sentence[:1].upper() + sentence[1:]


def _too_few(count: int) -> ContentWords:
    title = ngettext("Only {count} different example", "Only {count} different examples", count).format(
        count=f"{count:,}"
    )
    if count < 10:
        return ContentWords(
            Severity.WARNING,
            title,
            _("The model will hardly change, or it will repeat these answers to everything."),
            advice=_("Take at least 50 examples; a few hundred show a clear effect."),
        )
    if count < 50:
        return ContentWords(
            Severity.WARNING,
            title,
            _("The model may pick up a tone or a form of answer from so few, but no knowledge that lasts."),
            advice=_("50 to 100 good examples are a start; a few hundred are better."),
        )
    return ContentWords(
        Severity.HINT,
        title,
        _("That is enough for a tone or a form of answer; new knowledge and hard tasks need more."),
        advice=_("200 and more good examples make the result steadier."),
    )


def _of_set(code: str, count: int, figures: Mapping[str, float]) -> ContentWords:
    if code == codes.LANGUAGES:
        return ContentWords(
            Severity.HINT,
            _("The examples are in several languages: {languages}").format(languages=names(_shares(figures))),
            _("The model learns to answer in each of them; a language with few examples is learnt badly."),
            advice=_("Fine if that is what you want. Looked at: a sample of {count} examples.").format(
                count=int(figures.get("sample", 0))
            ),
        )
    share = f"{figures.get('share', 0):.0%}".replace("%", " %")
    if code == codes.ONE_ANSWER:
        return ContentWords(
            Severity.WARNING,
            _("{share} of the examples have the same answer").format(share=share),
            _("The model learns to give this answer to nearly everything."),
            advice=_("Leave most of these out, or add examples with other answers."),
        )
    return ContentWords(
        Severity.WARNING,
        _("One of {different} answers is given in {share} of the examples").format(
            different=int(figures.get("different", 0)), share=share
        ),
        _("The model is right so often with this answer that it hardly learns the others."),
        advice=_("Add examples of the rare answers, or take fewer of the frequent one."),
    )


def _shares(figures: Mapping[str, float]) -> dict[str, float]:
    return {code: share for code, share in figures.items() if code != "sample"}


def _of_pairs(code: str, count: int) -> ContentWords:
    leave_out_of_train = _("Leave these examples out of the part that is trained on; the held-out part stays as it is.")
    effect = _("The model has seen these in training, so the measured quality looks better than it is.")
    if code == codes.LEAK_EXACT:
        title = ngettext(
            "{count} held-out example is also trained on", "{count} held-out examples are also trained on", count
        )
        return ContentWords(Severity.WARNING, title.format(count=f"{count:,}"), effect, skip=leave_out_of_train)
    if code == codes.LEAK_QUESTION:
        title = ngettext(
            "The question of {count} held-out example is also trained on",
            "The questions of {count} held-out examples are also trained on",
            count,
        )
        return ContentWords(Severity.WARNING, title.format(count=f"{count:,}"), effect, skip=leave_out_of_train)
    if code == codes.LEAK_NEAR:
        title = ngettext(
            "{count} held-out example is nearly the same as one that is trained on",
            "{count} held-out examples are nearly the same as ones that are trained on",
            count,
        )
        return ContentWords(Severity.WARNING, title.format(count=f"{count:,}"), effect, skip=leave_out_of_train)
    if code == codes.DUPLICATES:
        title = ngettext("{count} example is a copy", "{count} examples are copies", count)
        return ContentWords(
            Severity.WARNING,
            title.format(count=f"{count:,}"),
            _("Each copy counts again: the model learns these by heart and takes longer."),
            skip=_("Leave the copies out; the first of each stays."),
        )
    if code == codes.CONFLICTING:
        title = ngettext(
            "{count} example asks what another asks, and is answered differently",
            "{count} examples ask the same, and are answered differently",
            count,
        )
        return ContentWords(
            Severity.WARNING,
            title.format(count=f"{count:,}"),
            _("The model can't learn two answers to one question: it learns neither well."),
            skip=_("Leave all of them out, since it can't be known which answer is right."),
            advice=_(
                "Or leave them, save, and delete the wrong answers on the dataset's page. Fine where several answers "
                "are right."
            ),
        )
    title = ngettext(
        "{count} example is nearly the same as another", "{count} examples are nearly the same as others", count
    )
    return ContentWords(
        Severity.WARNING,
        title.format(count=f"{count:,}"),
        _("The model learns these by heart rather than what they have in common."),
        skip=_("Leave them out; the first of each kind stays."),
        advice=_("Fine if they differ in the words that matter. When split, they stay on one side."),
    )


def _private(code: str, count: int) -> ContentWords:
    if code == KEY:
        return ContentWords(
            Severity.WARNING,
            ngettext(
                "{count} example has a secret key in it", "{count} examples have secret keys in them", count
            ).format(count=f"{count:,}"),
            _("The model may write the key out to anyone who asks."),
            fix=_("Put [key] in its place."),
            skip=_("Leave these examples out."),
            advice=_("Make the key invalid where it was issued, whatever you do here."),
        )
    effect = _("The model may repeat it to anyone, and what it has learnt can't be deleted again.")
    skip = _("Leave these examples out.")
    if code == MAIL:
        title = ngettext(
            "{count} example has a mail address in it", "{count} examples have mail addresses in them", count
        )
        return ContentWords(
            Severity.WARNING, title.format(count=f"{count:,}"), effect, fix=_("Put [email] in its place."), skip=skip
        )
    if code == PHONE:
        title = ngettext(
            "{count} example has a phone number in it", "{count} examples have phone numbers in them", count
        )
        return ContentWords(
            Severity.WARNING,
            title.format(count=f"{count:,}"),
            effect,
            fix=_("Put [phone] in its place."),
            skip=skip,
            advice=_("Keep public ones, such as your own hotline."),
        )
    title = ngettext(
        "{count} example has a bank or card number in it", "{count} examples have bank or card numbers in them", count
    )
    return ContentWords(
        Severity.WARNING, title.format(count=f"{count:,}"), effect, fix=_("Put [account] in its place."), skip=skip
    )


def _of_text(code: str, count: int, figures: Mapping[str, float]) -> ContentWords:
    skip = _("Leave these examples out.")
    if code == TEMPLATE_TOKENS:
        title = ngettext(
            "{count} example has marks of a chat template in its text",
            "{count} examples have marks of a chat template in their text",
            count,
        )
        return ContentWords(
            Severity.WARNING,
            title.format(count=f"{count:,}"),
            _("The model takes them for the end of a turn, or learns to write them into its answers."),
            fix=_("Take the marks out; the text around them stays."),
            skip=skip,
        )
    if code == WRONG_DECODING:
        title = ngettext(
            "{count} example has wrongly decoded letters", "{count} examples have wrongly decoded letters", count
        )
        return ContentWords(
            Severity.WARNING,
            title.format(count=f"{count:,}"),
            _("The model learns to write letters such as Ã¼ in place of ü."),
            fix=_("Put the letters right."),
            skip=skip,
            advice=_("Save the file as UTF-8 the next time."),
        )
    if code == LOST_CHARACTERS:
        title = ngettext("{count} example has lost characters", "{count} examples have lost characters", count)
        return ContentWords(
            Severity.WARNING,
            title.format(count=f"{count:,}"),
            _("Where a letter was lost stands a replacement sign, and the model learns to write it."),
            skip=skip,
            advice=_("What was lost can't be told from this file; export it again as UTF-8."),
        )
    if code == HTML:
        title = ngettext(
            "{count} example has rests of a web page in it", "{count} examples have rests of web pages in them", count
        )
        return ContentWords(
            Severity.WARNING,
            title.format(count=f"{count:,}"),
            _("The model learns to write HTML tags, or even scripts, into its answers."),
            fix=_("Takes tags and scripts out, and writes signs such as &amp; as characters."),
            skip=skip,
            advice=_("Keep them if the answers are meant to be HTML."),
        )
    if code == REPEATS_QUESTION:
        title = ngettext("{count} answer repeats its question", "{count} answers repeat their questions", count)
        return ContentWords(
            Severity.WARNING,
            title.format(count=f"{count:,}"),
            _("The model learns to say the question again before it answers."),
            skip=skip,
        )
    if code == REFUSAL:
        title = ngettext("{count} answer refuses to help", "{count} answers refuse to help", count)
        return ContentWords(
            Severity.HINT,
            title.format(count=f"{count:,}"),
            _("The model learns to refuse, also where it could help."),
            skip=skip,
            advice=_("Keep them where a refusal is right."),
        )
    median = int(figures.get("median_characters", 0))
    if code == codes.LONG_ANSWERS:
        title = ngettext(
            "{count} answer is far longer than the others", "{count} answers are far longer than the others", count
        )
        return ContentWords(
            Severity.HINT,
            title.format(count=f"{count:,}"),
            _("Long answers weigh more in the training, and may be cut."),
            skip=skip,
            advice=_("Half of all answers have at most {median} characters.").format(median=median),
        )
    if code == codes.SHORT_ANSWERS:
        title = ngettext(
            "{count} answer is far shorter than the others", "{count} answers are far shorter than the others", count
        )
        return ContentWords(
            Severity.HINT,
            title.format(count=f"{count:,}"),
            _("The model may answer a word where you expect paragraphs."),
            skip=skip,
            advice=_("Half of all answers have at least {median} characters.").format(median=median),
        )
    raise KeyError(code)
