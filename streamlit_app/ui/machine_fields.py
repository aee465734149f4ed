"""Where a run computes: size, number of machines, low priority and cluster, on a target that lets a person choose."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from backend import estimates
from backend.domain import DEFAULT_MACHINE, Machine
from backend.domain_setup import MachineSize, Price, Purpose
from backend.i18n import _
from streamlit_app import session
from streamlit_app.ui import money, size_select
from streamlit_app.ui.choice_fields import option_title
from streamlit_app.ui.safe_text import plain

NEW_CLUSTER = ""
MOST_NODES = 16


@dataclass(frozen=True)
class Chosen:
    """`price` is of one machine and hour; `is_usable` is false for a size that would be refused."""

    machine: Machine = DEFAULT_MACHINE
    price: Price | None = None
    is_usable: bool = True
    size: MachineSize | None = None

    @property
    def has_cost(self) -> bool:
        return bool(self.machine.size)

    def cost(self, seconds: float) -> str:
        """Time × price × machines; the empty string when either is unknown."""
        if self.price is None or not seconds:
            return ""
        hours = seconds / 3600
        return money.amount(self.price.per_hour * self.machine.nodes * hours, self.price.currency)


def choose_machine() -> Chosen:
    if session.services().target.machines is None:
        return Chosen()
    size = size_select.choose_size(Purpose.TRAINING, key="run_size")
    if size is None:
        return Chosen(is_usable=False)
    with st.container(horizontal=True, vertical_alignment="bottom", key="run_machine"):
        nodes = st.number_input(
            _("Machines"),
            1,
            MOST_NODES,
            1,
            key="run_nodes",
            width=160,
            help=_("More than one share the work. Small models are not faster for it."),
        )
        is_low = st.toggle(
            _("Low priority"),
            key="run_low_priority",
            disabled=size.low_priority_price is None,
            help=_("Cheaper, but the machine can be taken away. The run then goes on from its last checkpoint."),
        )
    price = size.low_priority_price if is_low and size.low_priority_price else size.price
    return Chosen(
        Machine(size=size.name, nodes=int(nodes), cluster=_cluster(), is_low_priority=bool(is_low)),
        price,
        not size.why_not,
        size,
    )


def show_doubts(size: MachineSize, parameters: int, memory_bytes: int) -> None:
    """What would only be learned after minutes of waiting: a machine too slow or too small for the model.

    `memory_bytes` is what the run needs, 0 where it is not known.
    """
    if estimates.needs_gpu(parameters) and not size.gpus:
        st.warning(
            _(
                "Choose a size with a GPU; Setup shows how to get its cores. Without one such a model trains for days. "
                "The built-in model needs none."
            ),
            title=_("{size} has no GPU").format(size=plain(size.name)),
            icon=":material/memory:",
        )
    elif not estimates.fits_machine(memory_bytes, size):
        st.warning(
            _("Choose a size with more memory, a smaller base model, or LoRA and a smaller batch in Advanced."),
            title=_("This may not fit the memory of {target}").format(target=plain(size.name)),
            icon=":material/memory:",
        )
    elif parameters and size.gpus and not estimates.needs_gpu(parameters):
        st.caption(_("This base model needs no GPU. A machine without one costs less."))


def _cluster() -> str:
    clusters = {one.id: option_title(one) for one in session.clusters()}
    if not clusters:
        return NEW_CLUSTER
    return st.selectbox(
        _("Cluster"),
        [NEW_CLUSTER, *clusters],
        format_func=lambda one: clusters.get(one, _("By size: made when it is not there")),
        key="run_cluster",
        help=_("A group of machines. It shrinks to none when idle, and then costs nothing."),
    )


def choose_image() -> str:
    """The environment's image, in Advanced."""
    if session.services().target.machines is None:
        return ""
    image = st.text_input(
        _("Image of the environment"),
        key="run_image",
        placeholder=_("automatic"),
        help=_("The container image that the run's packages are put on. Leave it empty for a tested one."),
    )
    return (image or "").strip()


def in_words(machine: Machine) -> str:
    """What kind and at which price; the empty string on a target that lets nobody choose."""
    sizes = session.sizes(Purpose.TRAINING)
    if not sizes:
        return ""
    size = size_of(machine.size) or sizes[size_select.default_index(sizes)]
    price = size.low_priority_price if machine.is_low_priority else size.price
    return plain(
        _("{n} × {size}, {price}").format(n=machine.nodes, size=size.name, price=money.per_hour(price, machine.nodes))
    )


def size_of(name: str) -> MachineSize | None:
    return next((size for size in session.sizes(Purpose.TRAINING) if size.name == name), None)
