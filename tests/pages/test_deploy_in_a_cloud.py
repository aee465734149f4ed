"""Deploy with a target that costs: hosting, several deployments, an end, keys, the flow, costs, what was made there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from backend.domain import BUILT_IN_MODEL, EndpointState, Failure, Hosting, Model
from backend.domain_setup import CostLine, Price, Resource
from backend.errors import Unavailable
from streamlit_app.ui import money
from streamlit_app.ui.call_example import address, curl_example
from tests.fake_cloud import A100, CPU
from tests.pages.conftest import CloudDesk, Open, primary_buttons, texts


@pytest.fixture
def endpoint(connected: CloudDesk, cloud_model: Model) -> str:
    """On, with one deployment that takes everything."""
    hosting = Hosting(A100.name, serving="vllm", expires_at=datetime.now(UTC) + timedelta(hours=8))
    name = connected.deployments.create("", cloud_model.ref, hosting=hosting).name
    connected.target.endpoints.make_ready(name)
    return name


@pytest.fixture
def two(connected: CloudDesk, cloud_model: Model, endpoint: str) -> str:
    """A second deployment beside the first, ready and without traffic."""
    connected.deployments.create(
        endpoint, cloud_model.ref, "green", Hosting(CPU.name, serving="plain", takes_traffic=False)
    )
    connected.target.endpoints.make_ready(endpoint, "green")
    return endpoint


def status(page: object) -> str:
    return str([link.proto.label.replace("\\", "") for link in page.get("page_link")])  # type: ignore[attr-defined]


def shares(connected: CloudDesk, name: str) -> dict[str, int]:
    return {part.name: part.traffic_percent for part in connected.deployments.get(name).deployments}


def test_the_dialog_shows_ways_sizes_price_a_month_and_an_end(
    open_page: Open, connected: CloudDesk, cloud_model: Model
) -> None:
    page = open_page("deploy", model=cloud_model.ref)
    page.button(key="create_endpoint").click().run()
    assert page.radio(key="endpoint_serving").options == ["Without code", "vLLM"]
    assert page.selectbox(key="endpoint_size_any").value == CPU.name
    assert "$1.01/h, $737.30 a month if it is left on (estimate)" in texts(page)
    assert page.selectbox(key="endpoint_hours").value == 8


def test_an_endpoint_is_created_as_the_fields_say(open_page: Open, connected: CloudDesk, cloud_model: Model) -> None:
    page = open_page("deploy", model=cloud_model.ref)
    page.button(key="create_endpoint").click().run()
    page.radio(key="endpoint_serving").set_value("vllm")
    page.number_input(key="endpoint_instances").set_value(2)
    page.number_input(key="endpoint_max_instances").set_value(4)
    page.button(key="create_endpoint_yes").click().run()
    [made] = connected.deployments.list()
    hosting = made.deployments[0].hosting
    assert (hosting.serving, hosting.size, hosting.instances, hosting.max_instances) == ("vllm", A100.name, 2, 4)
    assert hosting.takes_traffic
    assert made.expires_at is not None
    assert timedelta(hours=7.9) < made.expires_at - datetime.now(UTC) < timedelta(hours=8.1)


def test_a_deployment_is_started_beside_the_one_that_answers(
    open_page: Open, connected: CloudDesk, cloud_model: Model, endpoint: str
) -> None:
    page = open_page("deploy", model=cloud_model.ref)
    page.button(key="create_endpoint").click().run()
    page.selectbox(key="endpoint_existing").set_value(endpoint)
    page.button(key="create_endpoint_yes").click().run()
    [one] = connected.deployments.list()
    assert [part.traffic_percent for part in one.deployments] == [100, 0]
    assert one.deployments[1].state is EndpointState.CREATING
    assert not one.deployments[1].hosting.takes_traffic


def test_the_dialog_shows_the_same_as_code(open_page: Open, connected: CloudDesk, cloud_model: Model) -> None:
    page = open_page("deploy", model=cloud_model.ref)
    page.session_state["endpoint_code"] = True
    page.button(key="create_endpoint").click().run()
    code = "\n".join(block.value for block in page.code)
    assert "phidesk deploy create ferries:1 --name ferries-1" in code
    assert f"instance_type: {CPU.name}" in code


def test_traffic_moves_by_the_slider_and_back(open_page: Open, connected: CloudDesk, two: str) -> None:
    page = open_page("deploy")
    shown = texts(page)
    assert "ferries:1 · 1 × Standard_NC24ads_A100_v4, $3.67/h · 100 % of the traffic" in shown
    assert "ferries:1 · 1 × Standard_E16s_v3, $1.01/h · no traffic" in shown
    page.slider(key=f"share_{two}_green").set_value(30)
    page.button(key=f"move_{two}").click().run()
    assert shares(connected, two) == {"blue": 70, "green": 30}
    page.slider(key=f"share_{two}_green").set_value(0)
    page.button(key=f"move_{two}").click().run()
    assert shares(connected, two) == {"blue": 100, "green": 0}


def test_a_deployment_is_tried_before_it_gets_traffic(open_page: Open, connected: CloudDesk, two: str) -> None:
    page = open_page("deploy")
    page.text_input(key=f"question_{two}_green").set_value("When?")
    page.button(key=f"ask_{two}_green").click().run()
    assert "ferries:1 answers: When?" in texts(page)
    page.text_input(key=f"question_{two}_green").set_value("  ")
    page.button(key=f"ask_{two}_green").click().run()
    assert "The question is empty." in texts(page)


def test_only_a_deployment_without_traffic_is_removed(open_page: Open, connected: CloudDesk, two: str) -> None:
    page = open_page("deploy")
    assert page.button(key=f"remove_{two}_blue").disabled
    page.button(key=f"remove_{two}_green").click().run()
    page.button(key=f"remove_{two}_green_yes").click().run()
    assert shares(connected, two) == {"blue": 100}
    assert "Move traffic" not in texts(page)


def test_a_lone_deployment_without_traffic_can_get_all_of_it(
    open_page: Open, connected: CloudDesk, endpoint: str
) -> None:
    one = connected.target.endpoints.endpoints[endpoint]
    connected.target.endpoints.endpoints[endpoint] = replace(
        one, deployments=tuple(replace(part, traffic_percent=0) for part in one.deployments)
    )
    page = open_page("deploy")
    page.button(key=f"move_{endpoint}").click().run()
    assert shares(connected, endpoint) == {"blue": 100}


def test_a_new_key_is_made_after_a_question(open_page: Open, connected: CloudDesk, endpoint: str) -> None:
    before = connected.deployments.key(endpoint)
    page = open_page("deploy")
    page.session_state[f"key_of_{endpoint}"] = True
    page.run()
    page.button(key=f"renew_{endpoint}").click().run()
    assert connected.deployments.key(endpoint) == before
    page.button(key=f"renew_{endpoint}_yes").click().run()
    assert connected.deployments.key(endpoint) != before


def test_the_end_is_moved_and_taken_away(open_page: Open, connected: CloudDesk, endpoint: str) -> None:
    page = open_page("deploy")
    assert "You are reminded to delete it" in texts(page)
    page.button(key=f"extend_{endpoint}").click().run()
    end = connected.deployments.get(endpoint).expires_at
    assert end is not None
    assert timedelta(hours=15) < end - datetime.now(UTC) < timedelta(hours=17)
    page.button(key=f"no_end_{endpoint}").click().run()
    assert connected.deployments.get(endpoint).expires_at is None
    assert "it costs until you delete it" in texts(page)


@pytest.mark.parametrize("name", ["home", "dataset", "chat"])
def test_an_endpoint_past_its_end_is_on_every_page_and_removed_by_one_click(
    open_page: Open, connected: CloudDesk, endpoint: str, name: str
) -> None:
    connected.target.endpoints.set_expiry(endpoint, datetime.now(UTC) - timedelta(minutes=1))
    page = open_page(name)
    assert "was to be deleted" in texts(page)
    page.button(key=f"due_delete_{endpoint}").click().run()
    assert list(connected.deployments.list()) == []
    assert "was to be deleted" not in texts(page)


def test_an_endpoint_past_its_end_can_be_kept(open_page: Open, connected: CloudDesk, endpoint: str) -> None:
    connected.target.endpoints.set_expiry(endpoint, datetime.now(UTC) - timedelta(minutes=1))
    page = open_page("home")
    page.button(key=f"due_keep_{endpoint}").click().run()
    assert "was to be deleted" not in texts(page)
    assert list(connected.deployments.due()) == []


def test_the_status_bar_says_what_is_on_and_what_it_costs(open_page: Open, connected: CloudDesk, two: str) -> None:
    assert "1 endpoint on, $4.68/h (estimate)" in status(open_page("home"))


def test_costs_are_counted_and_the_inventory_is_deleted_by_a_word(
    open_page: Open, connected: CloudDesk, endpoint: str
) -> None:
    page = open_page("deploy")
    shown = texts(page)
    assert "On now: **$3.67/h**" in shown
    assert "$7.34" in shown
    page.session_state["inventory"] = True
    page.run()
    assert "it stays, because it holds your data" in texts(page)
    page.button(key="delete_all").click().run()
    assert "- gpu-cluster (compute)" in texts(page)
    assert "- phi-desk (workspace)" not in texts(page)
    page.button(key="delete_all_yes").click().run()
    assert connected.target.setup.operations() == []
    page.button(key="delete_all").click().run()
    page.text_input(key="delete_all_typed").set_value("delete")
    page.button(key="delete_all_yes").click().run()
    [operation] = connected.target.setup.operations()
    assert operation.title in texts(page)
    connected.target.ongoing.finish(operation.id)
    assert [one.id for one in connected.target.costs.inventory()] == ["res-ws"]


def test_one_thing_of_the_inventory_is_deleted(open_page: Open, connected: CloudDesk) -> None:
    page = open_page("deploy")
    page.session_state["inventory"] = True
    page.run()
    page.button(key="resource_delete_res-id").click().run()
    page.button(key="resource_delete_yes").click().run()
    assert "res-id" not in [one.id for one in connected.target.costs.inventory()]


def test_what_takes_other_things_with_it_is_deleted_by_its_name(open_page: Open, connected: CloudDesk) -> None:
    loss = "Everything in it is deleted with it."
    connected.target.costs.resources.append(Resource("res-rg", "group", "rg-phi", "eastus", loss=loss))
    page = open_page("deploy")
    page.session_state["inventory"] = True
    page.run()
    page.button(key="resource_delete_res-rg").click().run()
    assert "Everything in it is deleted with it. It does not come back." in texts(page)
    page.button(key="resource_delete_yes").click().run()
    assert "res-rg" in [one.id for one in connected.target.costs.inventory()]
    page.button(key="resource_delete_res-rg").click().run()
    page.text_input(key="resource_delete_typed").set_value("rg-phi")
    page.button(key="resource_delete_yes").click().run()
    assert "res-rg" not in [one.id for one in connected.target.costs.inventory()]


def test_the_dialog_promises_a_reminder_and_no_deletion(
    open_page: Open, connected: CloudDesk, cloud_model: Model
) -> None:
    page = open_page("deploy")
    page.button(key="create_endpoint").click().run()
    assert page.selectbox(key="endpoint_hours").label == "Remind me to delete it after"
    assert "goes on, and costs, when Phi Desk is closed" in texts(page)


def test_what_can_not_be_served_there_is_not_offered(
    open_page: Open, connected: CloudDesk, cloud_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = connected.target.machines.ways_to_serve
    monkeypatch.setattr(
        connected.target.machines, "ways_to_serve", lambda model: () if model == BUILT_IN_MODEL else ways(model)
    )
    page = open_page("deploy")
    page.button(key="create_endpoint").click().run()
    offered = page.selectbox(key="endpoint_model").options
    assert "ferries, version 1" in offered
    assert "Built-in base model" not in offered


def test_one_failure_is_told_once(open_page: Open, connected: CloudDesk, endpoint: str) -> None:
    failure = Failure("no_quota", "Deploying ferries failed.", "No cores.", "Ask for more.")
    one = connected.target.endpoints.endpoints[endpoint]
    part = replace(one.deployments[0], state=EndpointState.FAILED, failure=failure)
    connected.target.endpoints.endpoints[endpoint] = replace(
        one, state=EndpointState.FAILED, failure=failure, deployments=(part,)
    )
    assert len(open_page("deploy").error) == 1
    connected.target.ongoing.fail(connected.target.ongoing.begin("deploy", "Deploying ferries", list).id, failure)
    page = open_page("deploy")
    assert len(page.error) == 1
    assert "It costs until you do" not in texts(page)


def test_a_model_of_the_catalogue_is_offered_by_its_title(open_page: Open, connected: CloudDesk) -> None:
    page = open_page("deploy")
    page.button(key="create_endpoint").click().run()
    assert "Phi-4 mini instruct · catalogue" in page.selectbox(key="endpoint_model").options


def test_signed_out_nobody_says_that_nothing_runs_and_costs(
    open_page: Open, connected: CloudDesk, endpoint: str
) -> None:
    connected.target.setup.expire()
    shown = texts(open_page("home"))
    assert "Runs and cost not known" in shown
    assert "Nothing running" not in shown
    assert "No cost now" not in shown


def test_a_sign_in_that_ends_in_the_middle_of_a_page_leads_to_setup(
    open_page: Open, connected: CloudDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        connected.target.setup.expire()
        raise Unavailable("The sign-in is no longer accepted.", code="signed_out")

    page = open_page("deploy")
    monkeypatch.setattr(connected.target.endpoints, "list", refuse)
    page.run()
    assert "The sign-in is no longer accepted." in texts(page)
    assert "Open Setup to sign in" in [link.proto.label for link in page.get("page_link")]


def test_the_flow_is_connected_and_published_with_its_last_day_said(
    open_page: Open, connected: CloudDesk, endpoint: str
) -> None:
    page = open_page("deploy")
    page.session_state[f"flow_{endpoint}"] = True
    page.run()
    assert "20 April 2027" in texts(page)
    page.button(key=f"connect_{endpoint}").click().run()
    assert not page.error
    page.button(key=f"publish_{endpoint}").click().run()
    [operation] = connected.target.setup.operations()
    connected.target.ongoing.finish(operation.id)
    page.run()
    assert f"flow-of-{endpoint}" in texts(page)
    assert "https://studio.example/flows/1" in [link.proto.url for link in page.get("link_button")]


def test_an_endpoint_without_streaming_has_another_address_and_request(
    open_page: Open, connected: CloudDesk, endpoint: str
) -> None:
    streaming = connected.deployments.get(endpoint)
    assert address(streaming)[1].endswith("/v1")
    assert "chat/completions" in curl_example(streaming)
    for contract, piece in (
        ("mlflow", '"input_data": ["Hello"]'),
        ("foundry", "input_string"),
        ("flow", "chat_history"),
    ):
        whole = replace(streaming, contract=contract)
        assert address(whole)[1].endswith("/score")
        assert piece in curl_example(whole)


def test_chat_says_that_the_whole_answer_comes_at_once(open_page: Open, connected: CloudDesk, endpoint: str) -> None:
    words = "gives its whole answer at once"
    assert words not in texts(open_page("chat"))
    one = connected.target.endpoints.endpoints[endpoint]
    connected.target.endpoints.endpoints[endpoint] = replace(one, contract="mlflow")
    page = open_page("chat")
    assert words in texts(page)
    assert page.selectbox[0].options == ["ferries, version 1 · On"]
    connected.deployments.create("other", one.model)
    assert open_page("chat").selectbox[0].options == [
        f"ferries, version 1 · On · {endpoint}",
        "ferries, version 1 · Starting · other",
    ]


def test_chat_makes_no_endpoint_that_costs_by_itself(open_page: Open, connected: CloudDesk, cloud_model: Model) -> None:
    page = open_page("chat")
    assert "An endpoint costs by the hour" in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["Open Deploy"]
    assert list(connected.deployments.list()) == []


def test_sums_say_what_is_unknown() -> None:
    now = datetime.now(UTC)
    known = CostLine("endpoint", "a", now, None, Price(1.5, "USD"), 2, 3.0)
    unknown = CostLine("endpoint", "b", now, None, None, 1, None)
    other = CostLine("endpoint", "c", now, None, Price(1.0, "CHF"), 1, 0.001)
    ended = replace(known, until=now)
    assert money.now_per_hour([known, ended]) == "$3.00/h"
    assert money.now_per_hour([known, unknown]) == "$3.00/h + a price unknown"
    assert money.so_far([known, other, unknown]) == "$3.00 + 0.001 CHF + what is unknown"
    assert money.now_per_hour([]) == ""


def test_an_inventory_that_can_not_be_read_says_why(open_page: Open, connected: CloudDesk) -> None:
    def fail() -> list[object]:
        raise Unavailable("The cloud does not answer.", code="no_network")

    connected.target.costs.inventory = fail  # type: ignore[assignment,method-assign]
    page = open_page("deploy")
    page.session_state["inventory"] = True
    page.run()
    assert "The cloud does not answer." in texts(page)
    assert not page.exception


def test_chat_names_an_endpoint_that_is_off_and_holds_no_model(
    open_page: Open, connected: CloudDesk, endpoint: str
) -> None:
    connected.deployments.stop(endpoint)
    kept = connected.target.endpoints.endpoints
    kept[endpoint] = replace(kept[endpoint], deployments=())
    assert any(endpoint in title for title in open_page("chat").selectbox[0].options)
