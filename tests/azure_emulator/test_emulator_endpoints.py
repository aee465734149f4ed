"""Endpoints of the emulated Azure that really answer: by the real SDK and plain HTTP over real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.ai.ml import MLClient
from azure.ai.ml.entities import (
    ApiKeyConfiguration,
    IdentityConfiguration,
    ManagedIdentityConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    OnlineRequestSettings,
    WorkspaceConnection,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.msi.models import Identity

from tests.azure_emulator.azurite import Azurite, Storage, why_missing
from tests.azure_emulator.defaults import keep
from tests.azure_emulator.emulator import Emulator
from tests.azure_emulator.endpoints import serving
from tests.azure_emulator.quota import cores
from tests.azure_emulator.roles import grant
from tests.azure_emulator.world import (
    CLIENT_ID,
    CLIENT_SECRET,
    GROUP,
    REGION,
    SUBSCRIPTION,
    TENANT,
    WORKSPACE,
    WORKSPACE_ID,
    World,
)
from tests.tiny_model import make_tiny_model

REGISTRY_MODEL = "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/13"
SECONDS = 120


@pytest.fixture
def client(emulator: Emulator, azure_environment: dict[str, str]) -> MLClient:
    return MLClient(ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET), SUBSCRIPTION, GROUP, WORKSPACE)


@pytest.fixture
def ask(emulator: Emulator) -> Callable[..., requests.Response]:
    """POST to an endpoint as a program that knows its address and key would."""

    def post(
        path: str, key: str, body: Any, *, deployment: str = "", name: str = "phi", **more: Any
    ) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"} | ({"azureml-model-deployment": deployment} if deployment else {})
        return requests.post(
            f"https://{name}.{REGION}.inference.ml.azure.com{path}",
            json=body,
            headers=headers,
            proxies={"https": emulator.environment["HTTPS_PROXY"]},
            verify=emulator.environment["REQUESTS_CA_BUNDLE"],
            timeout=60,
            **more,
        )

    return post


def create(client: MLClient, name: str = "phi") -> ManagedOnlineEndpoint:
    endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key", tags={"phidesk": "yes"})
    return client.online_endpoints.begin_create_or_update(endpoint).result(20)


def deployment(name: str = "blue", **changes: Any) -> ManagedOnlineDeployment:
    values: dict[str, Any] = {
        "model": REGISTRY_MODEL,
        "instance_type": "Standard_E4s_v3",
        "instance_count": 1,
        "request_settings": OnlineRequestSettings(request_timeout_ms=180_000, max_concurrent_requests_per_instance=3),
    }
    return ManagedOnlineDeployment(name=name, endpoint_name="phi", **(values | changes))


def deploy(client: MLClient, **changes: Any) -> ManagedOnlineDeployment:
    return client.online_deployments.begin_create_or_update(deployment(**changes)).result(SECONDS)


def set_traffic(client: MLClient, **traffic: int) -> None:
    endpoint = client.online_endpoints.get("phi")
    endpoint.traffic = traffic
    client.online_endpoints.begin_create_or_update(endpoint).result(20)


def test_a_no_code_deployment_answers_on_score_with_the_model_itself(
    client: MLClient, emulator: Emulator, ask: Callable[..., requests.Response]
) -> None:
    create(client)
    made = deploy(client)
    assert made.provisioning_state == "Succeeded"
    key = client.online_endpoints.get_keys("phi").primary_key
    body = {"input_data": ["Hello"], "params": {"max_new_tokens": 8, "do_sample": False}}
    # Without traffic nobody answers, but a deployment that is named does.
    assert ask("/score", key, body).status_code == 404
    answer = ask("/score", key, body, deployment="blue")
    assert (answer.status_code, answer.headers["azureml-model-deployment"]) == (200, "blue")
    assert isinstance(answer.json()[0], str)
    set_traffic(client, blue=100)
    foundry = {
        "input_data": {"input_string": [{"role": "user", "content": "Hello"}], "parameters": {"max_new_tokens": 8}}
    }
    assert ask("/score", key, foundry).json()["output"] == answer.json()[0]
    # The container's own refusal comes as 424, with its status in a header.
    refused = ask("/score", key, {"input_data": []})
    assert (refused.status_code, refused.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert ask("/v1/chat/completions", key, {"messages": [{"role": "user", "content": "Hi"}]}).status_code == 424
    assert "POST /score" in client.online_deployments.get_logs("blue", "phi", 100)
    with pytest.raises(HttpResponseError, match="has traffic"):
        client.online_deployments.begin_delete("blue", "phi").result(20)
    client.online_endpoints.begin_delete("phi").result(20)
    with pytest.raises(ResourceNotFoundError):
        client.online_endpoints.get("phi")
    assert serving(emulator.world).servers == {}


def test_a_regenerated_key_shuts_the_old_one_out(
    client: MLClient, emulator: Emulator, ask: Callable[..., requests.Response]
) -> None:
    serving(emulator.world).echo = True
    create(client)
    deploy(client)
    set_traffic(client, blue=100)
    old = client.online_endpoints.get_keys("phi").primary_key
    body = {"input_data": ["Hello"]}
    assert ask("/score", old, body).json() == ["blue heard: Hello"]
    client.online_endpoints.begin_regenerate_keys("phi", key_type="primary").result(20)
    refused = ask("/score", old, body)
    assert (refused.status_code, "key_auth_access_denied" in refused.text) == (401, True)
    new = client.online_endpoints.get_keys("phi").primary_key
    assert ask("/score", new, body).status_code == 200
    # What would take longer than the deployment's 180 seconds ends as it does there, but at once.
    emulator.faults.add("slow", host=r".*inference.*", seconds=200)
    assert ask("/score", new, body).status_code == 408
    assert ask("/score", new, body).status_code == 200


def test_traffic_is_shared_as_it_was_asked_and_streams_pass(
    client: MLClient, emulator: Emulator, ask: Callable[..., requests.Response]
) -> None:
    serving(emulator.world).echo = True
    create(client)
    deploy(client)
    deploy(client, name="green")
    with pytest.raises(HttpResponseError, match="must sum to 0 or 100"):
        set_traffic(client, blue=50, green=10)
    set_traffic(client, blue=50, green=50)
    key = client.online_endpoints.get_keys("phi").secondary_key
    answered = {ask("/score", key, {"input_data": ["Hello"]}).json()[0].split()[0] for _ in range(40)}
    assert answered == {"blue", "green"}
    chat = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    streamed = ask("/v1/chat/completions", key, chat, deployment="green", stream=True)
    assert streamed.headers["Content-Type"].startswith("text/event-stream")
    assert list(streamed.iter_lines())[-2:] == [b"data: [DONE]", b""]


def test_a_deployment_without_quota_is_refused_with_the_reserve_counted(client: MLClient, emulator: Emulator) -> None:
    serving(emulator.world).echo = True
    create(client)
    limits = cores(emulator.world, SUBSCRIPTION, REGION).limits
    limits["standardESv3Family"] = 7
    # A fifth more machines than one are two, of four cores each.
    with pytest.raises(HttpResponseError, match=r"usage/limit: 0/7. Additional needed: 8"):
        deploy(client, instance_type="Standard_E4s_v3")
    limits["standardESv3Family"] = 8
    assert deploy(client, instance_type="Standard_E4s_v3").instance_type == "Standard_E4s_v3"


def test_of_the_scarcest_machines_nothing_is_kept_in_reserve(client: MLClient, emulator: Emulator) -> None:
    serving(emulator.world).echo = True
    create(client)
    assert cores(emulator.world, SUBSCRIPTION, REGION).limits["standardNCADSA100v4Family"] == 24
    assert deploy(client, instance_type="Standard_NC24ads_A100_v4").instance_type == "Standard_NC24ads_A100_v4"


@pytest.mark.parametrize(
    ("kind", "words"),
    [("out_of_quota", "OutOfQuota"), ("probe_failed", "liveness probe failed"), ("image_build", "ImageBuildFailure")],
)
def test_a_planned_failure_ends_the_deployment_as_failed(
    client: MLClient, emulator: Emulator, kind: str, words: str
) -> None:
    serving(emulator.world).echo = True
    create(client)
    emulator.faults.add(kind, path="/deployments/blue")
    with pytest.raises(HttpResponseError, match=words):
        deploy(client)
    assert client.online_deployments.get("blue", "phi").provisioning_state == "Failed"
    if kind == "probe_failed":
        assert "ModuleNotFoundError" in client.online_deployments.get_logs("blue", "phi", 20)
    client.online_deployments.begin_delete("blue", "phi").result(20)
    assert deploy(client).provisioning_state == "Succeeded"


def test_a_second_change_while_one_goes_on_is_a_conflict(client: MLClient, emulator: Emulator) -> None:
    serving(emulator.world).echo = True
    create(client)
    emulator.faults.add("slow", path="/deployments/blue", seconds=60)
    client.online_deployments.begin_create_or_update(deployment())
    with pytest.raises(HttpResponseError, match="another operation is in progress"):
        client.online_deployments.begin_create_or_update(deployment(name="green")).result(20)
    emulator.world.advance(120)
    assert client.online_deployments.get("blue", "phi").provisioning_state == "Succeeded"


@pytest.fixture(scope="module")
def blobs() -> Iterator[Azurite]:
    if why_missing():
        pytest.skip(why_missing())
    azurite = Azurite().start()
    yield azurite
    azurite.stop()


def put_model(world: World, folder: Path) -> str:
    """An MLflow model among the artifacts of a job, registered."""
    make_tiny_model(folder / "model")
    (folder / "components" / "tokenizer").mkdir(parents=True)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (folder / "model" / file).rename(folder / "components" / "tokenizer" / file)
    (folder / "MLmodel").write_text("flavors:\n  transformers:\n    task: llm/v1/chat\n")
    account = world.arm[WORKSPACE_ID.lower()]["properties"]["storageAccount"].rpartition("/")[2]
    assert world.azurite is not None
    world.azurite.upload(account, "azureml", "ExperimentRun/dcid.job1/model_output", folder)
    uri = "azureml://jobs/job1/outputs/artifacts/paths/model_output"
    path = f"{WORKSPACE_ID}/models/phi-tuned/versions/1"
    keep(world, path, "Microsoft.MachineLearningServices/workspaces/models/versions", modelUri=uri, flavors={})
    return path


DOCKERFILE = 'FROM vllm/vllm-openai:v0.33.0\nCOPY start.sh /start.sh\nENTRYPOINT ["/bin/sh", "/start.sh"]\n'
START = """\
MODEL=$(dirname "$(find -L "$AZUREML_MODEL_DIR" -name config.json | head -n 1)")
TOKENIZER=$(dirname "$(find -L "$AZUREML_MODEL_DIR" -name tokenizer_config.json | head -n 1)")
exec vllm serve "$MODEL" --tokenizer "$TOKENIZER" --served-model-name $SERVED_NAMES --host 0.0.0.0 --port 8000
"""


def put_container(world: World, folder: Path, start: str = START) -> str:
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "start.sh").write_text(start)
    facts = world.arm[WORKSPACE_ID.lower()]["properties"]
    account, container = facts["storageAccount"].rpartition("/")[2], f"azureml-blobstore-{facts['workspaceId']}"
    assert world.azurite is not None
    world.azurite.upload(account, container, f"LocalUpload/{folder.name}", folder)
    build = {"contextUri": f"https://{account}.blob.core.windows.net/{container}/LocalUpload/{folder.name}"}
    path = f"{WORKSPACE_ID}/environments/phi-vllm/versions/1"
    keep(world, path, "Microsoft.MachineLearningServices/workspaces/environments/versions", build=build)
    return path


def test_a_container_runs_its_own_start_script_and_streams(
    client: MLClient, world: World, blobs: Azurite, ask: Callable[..., requests.Response], tmp_path: Path
) -> None:
    world.azurite = Storage(blobs)
    model = put_model(world, tmp_path / "mlflow")
    create(client)
    deploy(
        client,
        model=model,
        environment=put_container(world, tmp_path / "context"),
        environment_variables={"SERVED_NAMES": "phi phi-tuned:1"},
    )
    set_traffic(client, blue=100)
    key = client.online_endpoints.get_keys("phi").primary_key
    chat = {"model": "phi", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "stream": True}
    lines = [line for line in ask("/v1/chat/completions", key, chat, stream=True).iter_lines() if line]
    assert lines[-1] == b"data: [DONE]"
    assert len(lines) > 3
    assert ask("/v1/chat/completions", key, chat | {"model": "another"}).status_code == 424
    assert ask("/score", key, {"input_data": ["Hello"]}).status_code == 424
    # A start script that fails is a deployment that fails, with its words in the log; the old one goes on answering.
    world.arm.pop(f"{WORKSPACE_ID}/environments/phi-vllm/versions/1".lower())
    broken = put_container(world, tmp_path / "broken", "echo no such wheel >&2; exit 3\n")
    with pytest.raises(HttpResponseError, match="no such wheel"):
        deploy(client, name="green", model=model, environment=broken)
    assert "no such wheel" in client.online_deployments.get_logs("green", "phi", 20)
    assert ask("/v1/chat/completions", key, chat | {"stream": False}).json()["model"] == "phi"


def test_a_model_that_is_no_mlflow_model_fails_without_code(
    client: MLClient, world: World, blobs: Azurite, tmp_path: Path
) -> None:
    world.azurite = Storage(blobs)
    (tmp_path / "mlflow").mkdir()
    model = put_model(world, tmp_path / "mlflow")
    world.arm[model.lower()]["properties"]["modelUri"] += "/model"
    create(client)
    with pytest.raises(HttpResponseError, match="Could not find an 'MLmodel'"):
        deploy(client, model=model)


def test_an_identity_without_the_roles_can_not_serve(
    client: MLClient, emulator: Emulator, azure_environment: dict[str, str]
) -> None:
    serving(emulator.world).echo = True
    credential = ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET)
    identity = ManagedServiceIdentityClient(credential, SUBSCRIPTION).user_assigned_identities.create_or_update(
        GROUP, "phi-identity", Identity(location=REGION)
    )
    configuration = IdentityConfiguration(
        type="user_assigned", user_assigned_identities=[ManagedIdentityConfiguration(resource_id=identity.id)]
    )
    endpoint = ManagedOnlineEndpoint(name="phi", auth_mode="key", identity=configuration)
    client.online_endpoints.begin_create_or_update(endpoint).result(20)
    workspace = client.workspaces.get(WORKSPACE)
    with pytest.raises(HttpResponseError, match="Storage Blob Data Reader"):
        deploy(client)
    grant(emulator.world, identity.principal_id, "Storage Blob Data Reader", workspace.storage_account)
    with pytest.raises(HttpResponseError, match="AcrPull"):
        deploy(client)
    grant(emulator.world, identity.principal_id, "AcrPull", workspace.container_registry)
    assert deploy(client).provisioning_state == "Succeeded"


def test_an_endpoint_is_found_and_removed_with_all_that_belongs_to_it(client: MLClient, emulator: Emulator) -> None:
    serving(emulator.world).echo = True
    create(client)
    deploy(client)
    assert [one.name for one in client.online_endpoints.list()] == ["phi"]
    assert [one.name for one in client.online_deployments.list("phi")] == ["blue"]
    # An E4s has four cores, and Azure keeps one more machine.
    usage = {one.name["localized_value"]: one.current_value for one in client.compute.list_usage(location=REGION)}
    assert usage["Standard ESv3 Family Cluster Dedicated vCPUs"] == 8
    client.online_endpoints.begin_delete("phi").result(20)
    assert list(client.online_endpoints.list()) == []


def test_the_catalogue_knows_what_can_be_tuned(client: MLClient, emulator: Emulator) -> None:
    registry = MLClient(ClientSecretCredential(TENANT, CLIENT_ID, CLIENT_SECRET), registry_name="azureml")
    model = registry.models.get("Phi-4-mini-instruct", label="latest")
    assert model.id == "azureml://registries/azureml/models/Phi-4-mini-instruct/versions/1"
    assert model.properties["finetuning-tasks"] == "chat-completion"
    assert registry.models.get("Phi-3-mini-4k-instruct", version="13").tags["FinetuneRetirementDate"] == "2025-08-30"
    assert "Phi-4" in [one.name for one in registry.models.list()]
    assert registry.components.get("chat_completion_pipeline", label="latest").version == "0.0.74"
    with pytest.raises(ResourceNotFoundError):
        registry.models.get("Phi-9", version="1")


def test_a_connection_keeps_its_secrets_and_is_private_only_when_asked(client: MLClient, emulator: Emulator) -> None:
    credentials = ApiKeyConfiguration(key="the secret")
    made = client.connections.create_or_update(
        WorkspaceConnection(name="phi", type="custom", target="https://phi.example", credentials=credentials)
    )
    assert made.is_shared
    assert client.connections.get("phi").credentials.key != "the secret"
    assert client.connections.get("phi", populate_secrets=True).credentials.key == "the secret"
    assert [one.name for one in client.connections.list()] == ["phi"]


def test_prices_are_filtered_as_documented(emulator: Emulator) -> None:
    wish = "armRegionName eq 'eastus' and (armSkuName eq 'Standard_E4s_v3' or armSkuName eq 'Standard_NC40ads_H100_v5')"
    answer = requests.get(
        "https://prices.azure.com/api/retail/prices",
        params={"$filter": f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and {wish}"},
        proxies={"https": emulator.environment["HTTPS_PROXY"]},
        verify=emulator.environment["REQUESTS_CA_BUNDLE"],
        timeout=20,
    ).json()
    assert {item["armSkuName"] for item in answer["Items"]} == {"Standard_E4s_v3"}
    assert (
        min(item["retailPrice"] for item in answer["Items"])
        < 0.252
        < max(item["retailPrice"] for item in answer["Items"])
    )
    assert answer["NextPageLink"] is None


def test_a_published_flow_asks_the_model_s_endpoint_by_its_connection(
    client: MLClient, emulator: Emulator, blobs: Azurite, ask: Callable[..., requests.Response]
) -> None:
    """Prompt flow's own server, the workspace's connection, a managed identity, and the endpoint behind it."""
    world = emulator.world
    world.azurite = Storage(blobs)
    create(client)
    serving(world).echo = True
    deploy(client)
    set_traffic(client, blue=100)
    key = client.online_endpoints.get_keys("phi").primary_key
    keys = {"endpoint": f"https://phi.{REGION}.inference.ml.azure.com", "key": key}
    metadata = {"azureml.flow.connection_type": "Custom", "azureml.flow.module": "promptflow.connections"}
    keep(
        world,
        f"{WORKSPACE_ID}/connections/phi",
        "Microsoft.MachineLearningServices/workspaces/connections",
        category="CustomKeys",
        authType="CustomKeys",
        target="-",
        isSharedToAll=False,
        credentials={"keys": keys},
        metadata=metadata | {"contract": "mlflow", "model": "phi"},
    )
    flow = Path(__file__).parents[2] / "flows" / "chat"
    account = world.arm[WORKSPACE_ID.lower()]["properties"]["storageAccount"].rpartition("/")[2]
    world.azurite.upload(account, "azureml", "LocalUpload/flow/chat", flow)
    uri = "azureml://datastores/workspaceartifactstore/paths/LocalUpload/flow/chat"
    model = f"{WORKSPACE_ID}/models/phi-flow/versions/1"
    keep(world, model, "Microsoft.MachineLearningServices/workspaces/models/versions", modelUri=uri, flavors={})
    environment = f"{WORKSPACE_ID}/environments/phi-flow/versions/1"
    image = "mcr.microsoft.com/azureml/promptflow/promptflow-runtime:latest"
    keep(world, environment, "Microsoft.MachineLearningServices/workspaces/environments/versions", image=image)
    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="phi-flow", auth_mode="key")).result(20)
    serving(world).echo = False
    where = f"deployment.subscription_id={SUBSCRIPTION},deployment.resource_group={GROUP}"
    where += f",deployment.workspace_name={WORKSPACE},deployment.endpoint_name=phi-flow,deployment.deployment_name=blue"
    variables = {"PROMPTFLOW_RUN_MODE": "serving", "PRT_CONFIG_OVERRIDE": where, "phidesk_endpoint": "phi"}
    made = deployment(model=model, environment=environment, environment_variables=variables)
    made.endpoint_name = "phi-flow"
    client.online_deployments.begin_create_or_update(made).result(SECONDS)
    flow_key = client.online_endpoints.get_keys("phi-flow").primary_key
    answer = ask("/score", flow_key, {"input_data": "Hello"}, deployment="blue", name="phi-flow")
    assert (answer.status_code, answer.json()) == (200, {"answer": "blue heard: Hello"})
    assert emulator.asked("POST", "/connections/phi/listsecrets")


def test_rules_for_scaling_need_a_deployment_and_bounds_in_order(client: MLClient, emulator: Emulator) -> None:
    serving(emulator.world).echo = True
    create(client)
    deploy(client)
    path = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Insights/autoscalesettings/phi-blue"
    )
    token = emulator.world.login.issue("https://management.azure.com")

    def put(target: str, fewest: str, most: str) -> requests.Response:
        profile = {"name": "bounds", "capacity": {"minimum": fewest, "default": fewest, "maximum": most}, "rules": []}
        facts = {"enabled": True, "targetResourceUri": target, "profiles": [profile]}
        return requests.put(
            f"https://management.azure.com{path}?api-version=2022-10-01",
            json={"location": REGION, "properties": facts},
            headers={"Authorization": f"Bearer {token}"},
            proxies={"https": emulator.environment["HTTPS_PROXY"]},
            verify=emulator.environment["REQUESTS_CA_BUNDLE"],
            timeout=20,
        )

    blue = f"{WORKSPACE_ID}/onlineEndpoints/phi/deployments/blue"
    assert put(blue, "3", "1").status_code == 400
    assert put(f"{blue}-gone", "1", "3").status_code == 400
    assert put(blue, "1", "3").status_code == 201
    assert put(blue, "1", "2").json()["properties"]["profiles"][0]["capacity"]["maximum"] == "2"
