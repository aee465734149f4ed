"""What a person may choose to compute on: sizes of the region, clusters that are there, ways to serve a model."""

from __future__ import annotations

from collections.abc import Sequence

from backend.azure import serving
from backend.azure.compute import list_computes
from backend.azure.connection import Connection
from backend.azure.hosting_choice import is_of_this_computer
from backend.azure.prices import Prices
from backend.azure.sizes import list_sizes
from backend.domain_setup import MachineSize, Option, Purpose, ServingWay
from backend.errors import NotFound
from backend.i18n import _
from backend.target import Models


class AzureMachines:
    def __init__(self, connection: Connection, models: Models) -> None:
        self.connection = connection
        self.models = models
        self.prices = Prices(connection.folder / "prices.json")

    def sizes(self, purpose: Purpose) -> Sequence[MachineSize]:
        return list_sizes(self.connection, self.prices, purpose)

    def clusters(self) -> Sequence[Option]:
        return [
            _option(str(one["name"]), one["properties"].get("properties") or {})
            for one in list_computes(self.connection)
            if one["properties"].get("computeType") == "AmlCompute"
        ]

    def ways_to_serve(self, model: str) -> Sequence[ServingWay]:
        """A model that is not (yet) in the registry is served by what its id tells."""
        if is_of_this_computer(model):
            return ()
        try:
            base_model = "" if "/" in model else self.models.get(model).base_model
        except NotFound:
            base_model = ""
        return serving.ways_to_serve(model, base_model)


def _option(name: str, facts: dict[str, object]) -> Option:
    scale = facts.get("scaleSettings")
    most = scale.get("maxNodeCount") if isinstance(scale, dict) else None
    words = [str(facts.get("vmSize") or ""), _("at most {n} machines").format(n=most or 1)]
    if facts.get("vmPriority") == "LowPriority":
        words.append(_("low priority"))
    return Option(name, name, ", ".join(word for word in words if word))
