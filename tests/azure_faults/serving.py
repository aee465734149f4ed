"""Endpoints, the flow, chat and what it costs."""

from __future__ import annotations

from backend.chatting import Chatting
from backend.domain import EndpointState, Hosting
from tests.azure_emulator.world import WORKSPACE
from tests.azure_faults.case import PHI, Action, Case, Do, once
from tests.azure_faults.troubles import EVERY, MAKING, READING

WS = f"workspaces/{WORKSPACE}"
INFERENCE = r"phi\..*\.inference\.ml\.azure\.com"
QUESTION = "Who founded Microsoft?"


def create(case: Case) -> None:
    case.target.endpoints.create("phi")


def deploy(case: Case) -> None:
    case.target.endpoints.deploy("phi", PHI, hosting=Hosting())
    case.until_idle()


def answering(case: Case) -> None:
    create(case)
    deploy(case)
    is_answering(case)


def is_answering(case: Case) -> None:
    once("/onlineendpoints/phi/deployments/[^/]+")(case)
    assert case.target.endpoints.get("phi").state is EndpointState.RUNNING


def with_a_second(case: Case) -> None:
    answering(case)
    case.target.endpoints.deploy("phi", PHI, "second", Hosting(takes_traffic=False))
    case.until_idle()


def names(case: Case) -> tuple[str, str]:
    first, second = sorted(one.name for one in case.target.endpoints.get("phi").deployments)
    return first, second


def all_to_the_first(case: Case) -> None:
    first, second = names(case)
    case.target.endpoints.set_traffic("phi", {first: 100, second: 0})


def share(case: Case) -> None:
    first, second = names(case)
    case.target.endpoints.set_traffic("phi", {first: 30, second: 70})


def is_shared(case: Case) -> None:
    assert sorted(one.traffic_percent for one in case.target.endpoints.get("phi").deployments) == [30, 70]


def stop(case: Case) -> None:
    case.target.endpoints.stop("phi")
    case.until_idle()


def is_stopped(case: Case) -> None:
    assert case.target.endpoints.get("phi").state is EndpointState.STOPPED
    assert case.made("/onlineendpoints/phi/deployments/[^/]+") == []


def delete(case: Case) -> None:
    case.target.endpoints.delete("phi")
    case.until_idle()


def is_gone(case: Case) -> None:
    assert case.made("/onlineendpoints/phi.*") == []


def delete_all(case: Case) -> None:
    case.until_ended(case.costs.delete_all())


def list_endpoints(case: Case) -> None:
    assert [one.name for one in case.target.endpoints.list()] == ["phi"]


def publish(case: Case) -> None:
    case.until_ended(case.flows.publish("phi"))


def chat(case: Case) -> None:
    """The question is kept; asked again it is answered once."""
    chatting = case.kept.setdefault("chatting", Chatting(case.target, case.home / "chats.db"))
    if "chat" not in case.kept:
        case.kept["chat"] = chatting.create("phi").id
        answer = chatting.answer(case.kept["chat"], QUESTION)
    else:
        assert [one.content for one in chatting.get(case.kept["chat"]).messages] == [QUESTION]
        answer = chatting.answer_again(case.kept["chat"])
    assert QUESTION in "".join(answer)
    assert len(chatting.get(case.kept["chat"]).messages) == 2


def _read(name: str, do: Do, method: str, path: str) -> Action:
    return Action(name, do, method, path, READING, is_standing=True)


ACTIONS = (
    Action(
        "create an endpoint",
        create,
        "PUT",
        "onlineEndpoints/phi$",
        (*EVERY, "slow"),
        left=once("/onlineendpoints/phi"),
    ),
    Action(
        "deploy a model",
        deploy,
        "PUT",
        "onlineEndpoints/phi/deployments/",
        (*EVERY, "slow", "no endpoint quota", "no image", "probe fails"),
        create,
        is_answering,
    ),
    Action(
        "deploy a model: its first question",
        deploy,
        "POST",
        "/score$",
        ("429 with a time", "503", "drop", "drop reply"),
        create,
        is_answering,
        INFERENCE,
    ),
    Action(
        "share the traffic",
        share,
        "PUT|PATCH",
        "onlineEndpoints/phi$",
        (*EVERY, "slow"),
        all_to_the_first,
        is_shared,
        is_standing=True,
    ),
    Action(
        "renew an endpoint's key",
        lambda case: case.target.endpoints.renew_key("phi"),
        "POST",
        "phi/regenerateKeys$",
        MAKING,
        is_standing=True,
    ),
    Action("stop an endpoint", stop, "DELETE", "phi/deployments/", (*MAKING, "slow"), answering, is_stopped),
    Action("delete an endpoint", delete, "DELETE", "onlineEndpoints/phi$", (*MAKING, "slow"), answering, is_gone),
    Action(
        "keep a connection for the flow",
        lambda case: case.flows.connect("phi"),
        "PUT",
        f"{WS}/connections/",
        MAKING,
        left=once("/connections/phi"),
        is_standing=True,
    ),
    Action(
        "publish the flow",
        publish,
        "PUT",
        f"{WS}/models/",
        MAKING,
        answering,
        once("/models/phidesk-chat[^/]*/versions/[^/]+"),
    ),
    _read("list the endpoints", list_endpoints, "GET", f"{WS}/onlineEndpoints$"),
    _read("read an endpoint's key", lambda case: case.target.endpoints.key("phi"), "POST", "phi/listKeys$"),
    _read("read an endpoint's log", lambda case: case.target.endpoints.logs("phi"), "POST", "/getLogs$"),
    Action(
        "chat",
        chat,
        "POST",
        "/score$",
        ("401", "404", "429 with a time", "503", "drop", "drop reply", "too slow"),
        host=INFERENCE,
        is_standing=True,
    ),
    _read("see what it costs", lambda case: case.costs.lines(), "GET", f"{WS}/onlineEndpoints$"),
    _read("see what Phi Desk made", lambda case: case.costs.inventory(), "GET", f"{WS}/models$"),
    Action(
        "delete all that Phi Desk made",
        delete_all,
        "DELETE",
        "onlineEndpoints/phi$",
        MAKING,
        answering,
        is_gone,
    ),
)
