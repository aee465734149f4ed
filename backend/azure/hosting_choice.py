"""What a person chose for a deployment, checked before anything is asked for: the model, the way to serve, the size."""

from __future__ import annotations

import re

from backend.azure import serving
from backend.domain import BUILT_IN_MODEL, Hosting
from backend.domain_setup import Purpose, ServingWay
from backend.errors import BadInput, Unavailable
from backend.i18n import _
from backend.target import Machines, Models

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def is_of_this_computer(model: str) -> bool:
    """The built-in model or a folder; everything else Azure can fetch."""
    is_folder = "/" in model and not model.startswith(serving.CATALOGUE) and not HUB_ID.fullmatch(model)
    return model == BUILT_IN_MODEL or is_folder


def choose_way(models: Models, model: str, hosting: Hosting) -> tuple[str, str, ServingWay]:
    """The full ref, what Azure finds it by, and the way to serve it. Raises NotFound or BadInput."""
    if model.startswith(serving.CATALOGUE):
        ref, model_id, base = model, model, model
    elif is_of_this_computer(model):
        raise BadInput(
            _("{model} can't be served on Azure.").format(model=model),
            why=_("It is a model of this computer; Azure serves registered models and those of its catalogue."),
            how_to_fix=_("Fine-tune it on Azure and register the result, or choose another model."),
            code="not_on_azure",
        )
    elif "/" in model:
        ref, model_id, base = model, "", ""
    else:
        found = models.get(model)
        ref, model_id, base = found.ref, f"azureml:{found.name}:{found.version}", found.base_model
    ways = serving.ways_to_serve(ref, base)
    chosen = next((way for way in ways if way.id == hosting.serving), None)
    if hosting.serving and chosen is None:
        raise BadInput(
            _("{model} can't be served by {way}.").format(model=ref, way=hosting.serving),
            how_to_fix=_("Use {ways}.").format(ways=", ".join(way.id for way in ways)),
            code="bad_serving",
        )
    return ref, model_id, chosen or ways[0]


def check_size(machines: Machines, way: ServingWay, hosting: Hosting) -> None:
    """What Azure would refuse in twenty minutes is said now."""
    try:
        sizes = machines.sizes(Purpose.SERVING)
    except Unavailable:
        return  # not to know is no reason against it
    found = next((size for size in sizes if size.name.lower() == hosting.size.lower()), None)
    if found is None or found.why_not:
        raise BadInput(
            _("{size} can't be used here.").format(size=hosting.size),
            why=found.why_not if found else _("The region does not offer it."),
            how_to_fix=_("Choose another size, or see the checks on Setup."),
            code="size_unusable",
        )
    if way.sizes_with == "gpu" and not found.gpus:
        raise BadInput(
            _("{way} needs a size with a GPU, and {size} has none.").format(way=way.title, size=hosting.size),
            how_to_fix=_("Choose a GPU size, or Azure's own server."),
            code="needs_gpu",
        )
