"""The cluster that a run computes on: an existing one, or one of ours made for its size. It shrinks to nothing idle."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from backend.azure.connection import Connection
from backend.azure.errors import in_words
from backend.azure.identity import identity_path
from backend.azure.sizes import default_size, list_offered, same
from backend.azure.tags import is_marked
from backend.azure.waiting import finish
from backend.domain import Machine
from backend.domain_setup import Purpose
from backend.errors import BadInput, Conflict, NotFound
from backend.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable

COMPUTES_VERSION = "2023-08-01-preview"
LONGEST_NAME = 32
CLUSTER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]")


def list_computes(connection: Connection) -> list[dict[str, Any]]:
    """Clusters and all else that computes in the workspace, as Azure shows them."""
    with in_words(_("Listing the clusters")):
        return connection.arm_list(f"{connection.workspace_path()}/computes", COMPUTES_VERSION)


def size_of(connection: Connection, machine: Machine) -> str:
    return machine.size or default_size(Purpose.TRAINING, connection.config.training_size)


def cluster_name(connection: Connection, machine: Machine) -> str:
    """The one asked for, or ours for this size: every run of a size shares one."""
    if machine.cluster:
        if not CLUSTER_NAME.fullmatch(machine.cluster):
            raise BadInput(
                _("{name} can't be a cluster's name.").format(name=repr(machine.cluster)),
                why=_("A name has 3 to 32 letters, digits and hyphens, begins with a letter and ends with none."),
                code="bad_cluster_name",
            )
        return machine.cluster
    size = size_of(connection, machine).lower().removeprefix("standard_")
    end = "-lp" if machine.is_low_priority else ""
    stem = "phidesk-" + re.sub(r"[^a-z0-9]+", "-", size).strip("-")
    return stem[: LONGEST_NAME - len(end)].rstrip("-") + end


def gpus_of(connection: Connection, size: str) -> int:
    """GPUs of one machine of this size. Raises NotFound for a size that the region does not offer."""
    config = connection.config
    for offered in list_offered(connection, config.subscription, connection.workspace().region):
        if same(offered.name, size):
            return offered.gpus
    raise NotFound(
        _("The size {size} is not offered in {region}.").format(size=size, region=connection.workspace().region),
        how_to_fix=_("Choose another size, or a workspace in another region."),
        code="no_such_size",
    )


def ensure_cluster(connection: Connection, machine: Machine, tell: Callable[[str], None]) -> tuple[str, str]:
    """Its name and its size. Raises NoQuota, Forbidden, or Conflict for one that is too small and not ours."""
    from azure.core.exceptions import ResourceNotFoundError

    name = cluster_name(connection, machine)
    ml = connection.ml()
    with in_words(_("Looking for the cluster {name}").format(name=name)):
        try:
            found: Any = ml.compute.get(name)
        except ResourceNotFoundError:
            found = None
    if found is None or str(found.provisioning_state) == "Failed":
        size = size_of(connection, machine)
        tell(_("Making the cluster {name} of {size}.").format(name=name, size=size))
        _put(connection, _cluster(connection, name, size, machine), name, tell)
        return name, size
    if str(found.type).lower() != "amlcompute":
        raise Conflict(
            _("{name} is no cluster.").format(name=name),
            why=_("It is of the kind {kind}.").format(kind=found.type),
            how_to_fix=_("Choose another one, or leave the cluster's name empty."),
            code="no_cluster",
        )
    if machine.size and not same(found.size, machine.size):
        raise Conflict(
            _("The cluster {name} has the size {size}.").format(name=name, size=found.size),
            how_to_fix=_("Choose that size, or leave the cluster's name empty."),
            code="other_size",
        )
    if found.max_instances < machine.nodes:
        if not is_marked(found.tags):
            raise Conflict(
                _("The cluster {name} has at most {most} machines.").format(name=name, most=found.max_instances),
                why=_("The run wants {nodes}.").format(nodes=machine.nodes),
                how_to_fix=_("Ask for fewer, choose another cluster, or enlarge this one in the studio."),
                code="small_cluster",
            )
        tell(_("Enlarging the cluster {name}.").format(name=name))
        found.max_instances = machine.nodes
        _put(connection, found, name, tell)
    return name, str(found.size)


def _cluster(connection: Connection, name: str, size: str, machine: Machine) -> Any:
    from azure.ai.ml.entities import AmlCompute, IdentityConfiguration, ManagedIdentityConfiguration

    identity, path = None, identity_path(connection)
    if path:
        identity = IdentityConfiguration(
            type="user_assigned", user_assigned_identities=[ManagedIdentityConfiguration(resource_id=path)]
        )
    return AmlCompute(
        name=name,
        size=size,
        tier="low_priority" if machine.is_low_priority else "dedicated",
        min_instances=0,
        max_instances=max(1, machine.nodes),
        idle_time_before_scale_down=machine.idle_seconds,
        identity=identity,
        location=connection.workspace().region,
        tags=connection.marked("cluster"),
    )


def _put(connection: Connection, cluster: Any, name: str, tell: Callable[[str], None]) -> None:
    with in_words(_("Making the cluster {name}").format(name=name)):
        poller = connection.ml().compute.begin_create_or_update(cluster)
        finish(poller, lambda: tell(_("Waiting for the cluster {name}.").format(name=name)))
