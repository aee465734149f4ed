"""Who may do what in the emulated Azure, and how much: by the real SDKs over real sockets."""

from __future__ import annotations

import uuid

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization.models import RoleAssignmentCreateParameters
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.msi.models import Identity
from azure.mgmt.quota import QuotaMgmtClient
from azure.mgmt.quota.models import CurrentQuotaLimitBase, LimitObject, QuotaProperties, ResourceName
from azure.mgmt.resource.resources import ResourceManagementClient

from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.quota import cores
from tests.azure_emulator.roles import access, grant, may, revoke
from tests.azure_emulator.world import CLIENT_ID, CLIENT_SECRET, GROUP, REGION, SUBSCRIPTION, TENANT, USER_ID
from tests.contract.conftest import wait_until

SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
FAMILY = "standardNCADSA100v4Family"
LOCATION = f"subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/{REGION}"


@pytest.fixture
def credential(emulator: Emulator, azure_environment: dict[str, str]) -> ClientSecretCredential:
    return ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET)


@pytest.fixture
def authorization(credential: ClientSecretCredential) -> AuthorizationManagementClient:
    return AuthorizationManagementClient(credential, SUBSCRIPTION)


def role_id(authorization: AuthorizationManagementClient, name: str) -> str:
    found = list(authorization.role_definitions.list(SCOPE, filter=f"roleName eq '{name}'"))
    assert [one.role_name for one in found] == [name]
    return str(found[0].id)


def test_a_new_identity_gets_a_role_once_and_it_counts_a_moment_later(
    emulator: Emulator, credential: ClientSecretCredential, authorization: AuthorizationManagementClient
) -> None:
    identities = ManagedServiceIdentityClient(credential, SUBSCRIPTION).user_assigned_identities
    identity = identities.create_or_update(GROUP, "phi-identity", Identity(location=REGION))
    wanted = RoleAssignmentCreateParameters(
        role_definition_id=role_id(authorization, "Contributor"),
        principal_id=identity.principal_id,
        principal_type="ServicePrincipal",
    )
    made = authorization.role_assignments.create(SCOPE, str(uuid.uuid4()), wanted)
    assert made.principal_id == identity.principal_id
    with pytest.raises(ResourceExistsError, match="RoleAssignmentExists"):
        authorization.role_assignments.create(SCOPE, str(uuid.uuid4()), wanted)
    query = f"principalId eq '{identity.principal_id}'"
    seen = wait_until(
        lambda: list(authorization.role_assignments.list_for_scope(SCOPE, filter=query)), "the assignment is seen", 5
    )
    assert [one.role_definition_id for one in seen] == [wanted.role_definition_id]
    assert may(emulator.world, identity.principal_id, "Microsoft.Storage/storageAccounts/write", SCOPE)
    assert [one.name for one in identities.list_by_resource_group(GROUP)] == ["phi-identity"]


def test_an_identity_that_the_directory_does_not_know_yet_is_refused_without_its_type(
    emulator: Emulator, credential: ClientSecretCredential, authorization: AuthorizationManagementClient
) -> None:
    access(emulator.world).lag = 3600
    identity = ManagedServiceIdentityClient(credential, SUBSCRIPTION).user_assigned_identities.create_or_update(
        GROUP, "phi-identity", Identity(location=REGION)
    )
    wanted = RoleAssignmentCreateParameters(
        role_definition_id=role_id(authorization, "AcrPull"), principal_id=identity.principal_id
    )
    with pytest.raises(HttpResponseError, match="PrincipalNotFound"):
        authorization.role_assignments.create(SCOPE, str(uuid.uuid4()), wanted)
    wanted.principal_type = "ServicePrincipal"
    assert authorization.role_assignments.create(SCOPE, str(uuid.uuid4()), wanted).scope == SCOPE


def test_an_identity_taken_for_a_user_is_refused(
    emulator: Emulator, credential: ClientSecretCredential, authorization: AuthorizationManagementClient
) -> None:
    identity = ManagedServiceIdentityClient(credential, SUBSCRIPTION).user_assigned_identities.create_or_update(
        GROUP, "phi-identity", Identity(location=REGION)
    )
    wanted = RoleAssignmentCreateParameters(
        role_definition_id=role_id(authorization, "AcrPull"), principal_id=identity.principal_id
    )
    emulator.world.advance(1)
    with pytest.raises(HttpResponseError, match="UnmatchedPrincipalType"):
        authorization.role_assignments.create(SCOPE, str(uuid.uuid4()), wanted)


def test_a_contributor_may_create_an_identity_but_give_it_no_role(
    emulator: Emulator, credential: ClientSecretCredential, authorization: AuthorizationManagementClient
) -> None:
    revoke(emulator.world, USER_ID)
    grant(emulator.world, USER_ID, "Contributor", SCOPE)
    identity = ManagedServiceIdentityClient(credential, SUBSCRIPTION).user_assigned_identities.create_or_update(
        GROUP, "phi-identity", Identity(location=REGION)
    )
    mine = list(authorization.permissions.list_for_resource_group(GROUP))
    assert [one.actions for one in mine] == [["*"]]
    assert "Microsoft.Authorization/*/Write" in mine[0].not_actions
    wanted = RoleAssignmentCreateParameters(
        role_definition_id=role_id(authorization, "AcrPull"), principal_id=identity.principal_id
    )
    with pytest.raises(HttpResponseError, match=r"action 'Microsoft\.Authorization/roleAssignments/write'"):
        authorization.role_assignments.create(SCOPE, str(uuid.uuid4()), wanted)


def test_a_reader_may_look_but_not_create(emulator: Emulator, credential: ClientSecretCredential) -> None:
    revoke(emulator.world, USER_ID)
    grant(emulator.world, USER_ID, "Reader", f"/subscriptions/{SUBSCRIPTION}")
    groups = ResourceManagementClient(credential, SUBSCRIPTION).resource_groups
    assert groups.get(GROUP).name == GROUP
    with pytest.raises(HttpResponseError, match=r"action 'Microsoft\.Resources/subscriptions/resourceGroups/write'"):
        groups.create_or_update("other", {"location": REGION})


def test_more_cores_are_granted_up_to_what_the_region_has(
    emulator: Emulator, credential: ClientSecretCredential
) -> None:
    client = QuotaMgmtClient(credential, SUBSCRIPTION)
    limits = {one.name: one.properties.limit.value for one in client.quota.list(LOCATION)}
    assert (limits[FAMILY], limits["standardNCSv3Family"]) == (24, 0)

    def ask(cores: int) -> CurrentQuotaLimitBase:
        wanted = QuotaProperties(limit=LimitObject(value=cores), name=ResourceName(value=FAMILY))
        poller = client.quota.begin_create_or_update(FAMILY, LOCATION, CurrentQuotaLimitBase(properties=wanted))
        return poller.result(20)

    assert ask(48).properties.limit.value == 48
    assert cores(emulator.world, SUBSCRIPTION, REGION).limits[FAMILY] == 48
    with pytest.raises(HttpResponseError, match="ContactSupport"):
        ask(960)
    states = [one.properties.provisioning_state for one in client.quota_request_status.list(LOCATION)]
    assert states == ["Succeeded", "Failed"]
    assert {one.name: one.properties.usages.value for one in client.usages.list(LOCATION)}[FAMILY] == 0


def test_a_provider_is_registered_a_moment_after_the_request(
    empty_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in empty_emulator.environment.items():
        monkeypatch.setenv(name, value)
    providers = ResourceManagementClient(
        ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET), SUBSCRIPTION
    ).providers
    name = "Microsoft.MachineLearningServices"
    assert providers.get(name).registration_state == "NotRegistered"
    assert providers.register(name).registration_state == "Registering"
    wait_until(lambda: providers.get(name).registration_state == "Registered", "the provider is registered", 5)
    assert {one.namespace for one in providers.list() if one.registration_state == "Registered"} >= {name}
