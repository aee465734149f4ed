"""What each page says and offers when nothing is there yet."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from backend.domain_setup import Check
from tests.pages.conftest import FakeDesk, Open, primary_buttons, texts

PAGES = ("home", "setup", "dataset", "train", "evaluate", "deploy", "chat")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_without_an_error(open_page: Open, name: str) -> None:
    page = open_page(name)
    assert not page.exception
    assert not page.error
    assert len(page.title) == 1
    assert len(primary_buttons(page)) <= 1


@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_the_status_bar(open_page: Open, name: str) -> None:
    shown = texts(open_page(name))
    assert "Target: This computer" in shown
    assert "Nothing running" in shown
    assert "No cost now" in shown


def test_home_leads_to_the_examples_first(open_page: Open) -> None:
    page = open_page("home")
    assert [button.label for button in primary_buttons(page)] == ["Add examples"]
    assert "No runs yet" in texts(page)


def test_home_leads_to_setup_when_the_computer_lacks_something(open_page: Open, desk: FakeDesk) -> None:
    desk.target.check = lambda: [Check("Disk", False, "2 GB free.", "A run needs 5.", "Free some space.")]  # type: ignore[method-assign]
    page = open_page("home")
    assert [button.label for button in primary_buttons(page)] == ["Choose where to run"]
    assert "2 GB free" in texts(page)


def test_setup_shows_each_check_and_its_remedy(open_page: Open, desk: FakeDesk) -> None:
    fixed: list[bool] = []
    desk.target.check = lambda: [  # type: ignore[method-assign]
        Check("Disk", False, "2 GB free.", "A run needs 5.", "Free some space.", fix=lambda: fixed.append(True))
    ]
    page = open_page("setup")
    for words in ("2 GB free", "A run needs 5", "Free some space"):
        assert words in texts(page)
    page.button(key="fix_0").click().run()
    assert fixed == [True]


def test_setup_says_that_a_hub_token_is_there_and_never_shows_it(open_page: Open, desk: FakeDesk) -> None:
    object.__setattr__(desk, "settings", desk.settings.model_copy(update={"hf_token": SecretStr("hf_veryverysecret")}))
    page = open_page("setup")
    assert "Token found" in texts(page)
    assert "veryverysecret" not in str(page)


def test_train_asks_for_a_dataset_first(open_page: Open) -> None:
    page = open_page("train")
    assert "Training needs a dataset" in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["Add examples"]
    assert "Training needs a dataset" in texts(open_page("train", new="1"))


def test_evaluate_leads_to_train(open_page: Open) -> None:
    page = open_page("evaluate")
    assert "Nothing to compare yet" in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["Open Train"]


def test_deploy_offers_the_base_model(open_page: Open) -> None:
    page = open_page("deploy")
    assert "No endpoint yet" in texts(page)
    page.button(key="create_endpoint").click().run()
    assert page.selectbox(key="endpoint_model").options == ["Built-in base model"]


def test_chat_offers_to_start_the_base_model(open_page: Open, desk: FakeDesk) -> None:
    page = open_page("chat")
    assert "The model is not running" in texts(page)
    page.button(key="start_model").click().run()
    assert [endpoint.model for endpoint in desk.deployments.list()] == ["phidesk/tiny-phi3"]
    assert "The model is starting" in texts(page)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("train", {"job": "no-such-run"}),
        ("train", {"job": "../../etc/passwd"}),
        ("dataset", {"dataset": "no-such-dataset"}),
        ("dataset", {"dataset": "../../etc"}),
        ("chat", {"chat": "no-such-chat"}),
    ],
)
def test_a_link_to_something_that_is_gone_says_so(open_page: Open, name: str, parameters: dict[str, str]) -> None:
    page = open_page(name, **parameters)
    assert not page.exception
    assert len(page.error) == 1
