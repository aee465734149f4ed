"""Checks of cores for the chosen sizes: training (dedicated and low priority) and endpoints, and asking for more."""

from __future__ import annotations

from backend.azure.check_facts import Facts
from backend.azure.errors import Forbidden
from backend.azure.quota import (
    ALL_DEDICATED,
    LOW_PRIORITY,
    QUOTA_PAGE,
    ask_for_quota,
    cores_needed,
    find_request,
    shortage,
)
from backend.azure.retired_sizes import find_retirement
from backend.azure.sizes import TRAINING_SIZE_CPU, Offered, default_size, retired_words
from backend.domain_setup import Check, Purpose, Quota
from backend.i18n import _


def check_training_quota(facts: Facts) -> Check:
    return _check_size(facts, Purpose.TRAINING, _("Cores for training"))


def check_serving_quota(facts: Facts) -> Check:
    return _check_size(facts, Purpose.SERVING, _("Cores for endpoints"))


def check_low_priority_quota(facts: Facts) -> Check:
    """Only a warning: cheaper machines that Azure may take back, for who wants them."""
    title = _("Cores for training at low priority")
    size = _chosen(facts, Purpose.TRAINING)
    if size is None or not size.has_low_priority:
        return Check(title, True, _("The chosen size is not offered at low priority."))
    quota = facts.quota().low_priority
    if quota.limit < 0 or quota.limit - quota.used >= size.cpus:
        return Check(title, True, _used_words(quota))
    return _short(
        facts,
        title,
        LOW_PRIORITY,
        quota,
        needed=size.cpus,
        used=_used_words(quota),
        why=_(
            "Only for runs at low priority, which are cheaper and may be interrupted. Such a run needs {needed} cores."
        ).format(needed=size.cpus),
        is_warning=True,
    )


def _chosen(facts: Facts, purpose: Purpose) -> Offered | None:
    name = default_size(purpose, facts.config.training_size, facts.config.serving_size)
    return facts.offered().get(name.lower())


def _check_size(facts: Facts, purpose: Purpose, title: str) -> Check:
    name = default_size(purpose, facts.config.training_size, facts.config.serving_size)
    size = _chosen(facts, purpose)
    gone = find_retirement(name)
    if size is None:
        successor = gone.successor if gone else TRAINING_SIZE_CPU
        return Check(
            title,
            False,
            _("{size} is not offered in {region}.").format(size=name, region=facts.region()),
            why=retired_words(gone.on, gone.successor) if gone else _("Each region has its own list of sizes."),
            how_to_fix=_("Choose another size, such as {successor}, or another region.").format(successor=successor),
        )
    needed = cores_needed(size.name, size.cpus, 1, purpose)
    table = facts.quota()
    quota = table.of(size.family, size.name, purpose)
    used = f"{size.name}: {_used_words(quota)}"
    why = shortage(table, size.family, needed)
    if not why:
        return Check(title, True, used)
    if purpose == Purpose.SERVING and needed > size.cpus:
        why += " " + _("Endpoints keep 20 % more in reserve, in whole machines.")
    if size.gpus and facts.subscription().is_benefit:
        return Check(
            title,
            False,
            used,
            why=why + " " + _("Subscriptions with free credit get no GPU cores."),
            how_to_fix=_("Choose the CPU size {size} on Train, or change the subscription to pay-as-you-go.").format(
                size=TRAINING_SIZE_CPU
            ),
            link=f"https://portal.azure.com/#resource/subscriptions/{facts.subscription().id}/overview",
        )
    is_short_by_family = quota.limit - quota.used < needed
    if not is_short_by_family:
        family, short = ALL_DEDICATED, table.region or quota
    else:
        family, short = quota.family, quota
    if gone:  # Azure gives no more cores of a series that it has announced the end of
        return Check(
            title,
            False,
            used,
            why=why + " " + _("Azure retires this series on {date} and gives no more of it.").format(date=gone.on),
            how_to_fix=_("Choose a newer size, such as {successor}.").format(successor=gone.successor),
        )
    if size.gpus and purpose == Purpose.TRAINING:
        why += " " + _("Meanwhile the built-in model trains without a GPU: on Train, choose {size}.").format(
            size=TRAINING_SIZE_CPU
        )
    return _short(facts, title, family, short, needed=needed, used=used, why=why)


def _used_words(quota: Quota) -> str:
    return _("{used} of {limit} cores used").format(used=quota.used, limit=quota.limit)


def _short(
    facts: Facts, title: str, family: str, quota: Quota, *, needed: int, used: str, why: str, is_warning: bool = False
) -> Check:
    """Ask for what is missing; after a refusal, say where a person does it by hand and what to write there."""
    subscription, region = facts.subscription(), facts.region()
    wanted = quota.used + needed
    text = _text_to_paste(family, region, quota.limit, wanted)
    try:
        request = find_request(facts.connection, subscription.id, region, family)
    except Forbidden as error:
        return Check(
            title,
            False,
            used,
            why=f"{why} {error.why}",
            how_to_fix=_("Send the text below to somebody who may ask for quota, or choose a smaller size."),
            is_warning=is_warning,
            ask_admin=text,
            link=QUOTA_PAGE,
        )
    if request is not None and request.wanted >= wanted and request.is_pending:
        return Check(
            title,
            False,
            _("Azure works on the request for {wanted} cores.").format(wanted=request.wanted),
            why=why,
            how_to_fix=_("Wait (minutes to days), then check again."),
            is_warning=is_warning,
        )
    if request is not None and request.wanted >= wanted and request.is_refused:
        return Check(
            title,
            False,
            _("Azure refused the request for {wanted} cores.").format(wanted=request.wanted),
            why=request.message or why,
            how_to_fix=_("Ask by hand: open the link, and paste this text: {text}").format(text=text),
            is_warning=is_warning,
            ask_admin=text,
            link=QUOTA_PAGE,
        )
    return Check(
        title,
        False,
        used,
        why=why,
        how_to_fix=_("Let Phi Desk ask Azure for more. A request costs nothing."),
        is_warning=is_warning,
        fix=lambda: ask_for_quota(facts.connection, subscription.id, region, family, wanted),
        changes=(
            _("Ask Azure to raise the limit of {family} in {region} from {limit} to {wanted} cores").format(
                family=family, region=region, limit=quota.limit, wanted=wanted
            ),
        ),
        ask_admin=text,
        link=QUOTA_PAGE,
    )


def _text_to_paste(family: str, region: str, limit: int, wanted: int) -> str:
    return _(
        "Please raise the Azure Machine Learning quota (provider Microsoft.MachineLearningServices) of {family} "
        "in the region {region} from {limit} to {wanted} vCPUs, to fine-tune and serve a Phi model."
    ).format(family=family, region=region, limit=limit, wanted=wanted)
