"""Setup with a cloud: sign-in, choices, long operations, checks that are mended, the set-up as a file."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from backend.domain import Failure
from backend.domain_setup import Check, OperationState, Option, SignIn, SignInState
from backend.errors import Unavailable
from tests.pages.conftest import CloudDesk, Open, primary_buttons, texts

HOSTILE_NAME = "![x](http://evil.example/x.png) **bold**"


def links(page: AppTest) -> list[str]:
    return [element.proto.url for element in page.get("link_button")]


def test_a_target_is_chosen_by_its_card(open_page: Open, cloud: CloudDesk) -> None:
    page = open_page("setup")
    assert "Target: Cloud" in texts(page)
    page.button(key="use_fake").click().run()
    assert "Target: This computer" in texts(page)
    page.button(key="use_cloud").click().run()
    assert "Target: Cloud" in texts(page)
    assert not page.exception


def test_the_chosen_target_is_remembered(open_page: Open, cloud: CloudDesk) -> None:
    open_page("setup").button(key="use_fake").click().run()
    assert cloud.settings.target_file.read_text().strip() == "fake"


def test_a_way_to_sign_in_that_can_not_be_used_says_why(open_page: Open, cloud: CloudDesk) -> None:
    page = open_page("setup")
    assert page.radio(key="sign_in_way").options == ["Command line", "Code"]
    assert "Browser can't be used: No browser was found here." in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["Sign in"]
    assert "Not signed in" in texts(page)


def test_a_device_code_is_shown_until_the_person_is_let_in(open_page: Open, cloud: CloudDesk) -> None:
    page = open_page("setup")
    page.radio(key="sign_in_way").set_value("device_code").run()
    page.button(key="sign_in_button").click().run()
    assert "ABCD-1234" in [code.value for code in page.code]
    assert links(page) == ["https://login.example/device"]
    assert "The code is good for 14 min" in texts(page)
    cloud.target.setup.let_in()
    page.run()
    assert "ada@contoso.com" in texts(page)
    assert "Contoso" in texts(page)
    page.button(key="sign_out").click().run()
    assert cloud.target.setup.sign_in_state().state is SignInState.SIGNED_OUT
    assert "Not signed in" in texts(page)


def test_waiting_for_a_code_can_be_given_up(open_page: Open, cloud: CloudDesk) -> None:
    cloud.target.setup.sign_in("device_code")
    page = open_page("setup")
    page.button(key="stop_sign_in").click().run()
    assert page.button(key="sign_in_button")


def test_an_address_that_is_not_https_is_no_link(open_page: Open, cloud: CloudDesk) -> None:
    cloud.target.setup.sign_in("device_code")
    cloud.target.setup.state = replace(cloud.target.setup.state, url="javascript:alert(1)")
    assert links(open_page("setup")) == []


def test_an_expired_sign_in_asks_for_the_same_way_again(open_page: Open, connected: CloudDesk) -> None:
    connected.target.setup.expire()
    page = open_page("setup")
    assert "Your sign-in has expired" in texts(page)
    assert "Nothing is lost" in texts(page)
    assert page.button(key="sign_in_button").label == "Sign in again"
    page.button(key="sign_in_button").click().run()
    assert "ada@contoso.com" in texts(page)
    assert page.selectbox(key="choice_workspace").value == "ws-1"


def test_an_expired_sign_in_can_be_left_for_another_account(open_page: Open, connected: CloudDesk) -> None:
    """Else a tenant that refuses this account is the end: each new sign-in goes to the same tenant."""
    setup = connected.target.setup
    setup.expire()
    setup.state = replace(
        setup.state, failure=Failure("sign_in_again", "You must sign in again.", "No such tenant.", "Sign in.")
    )
    page = open_page("setup")
    assert len(page.warning) == 1
    assert not page.error
    assert "No such tenant." in texts(page)
    page.button(key="sign_out").click().run()
    assert setup.sign_in_state().state is SignInState.SIGNED_OUT
    assert page.button(key="sign_in_button").label == "Sign in"


def test_a_new_try_that_failed_says_why_too(open_page: Open, connected: CloudDesk) -> None:
    setup = connected.target.setup
    setup.expire()
    setup.state = replace(
        setup.state, failure=Failure("declined", "Signing in failed.", "It was declined.", "Begin again.")
    )
    page = open_page("setup")
    assert "It was declined." in texts(page)
    assert "Your sign-in has expired" in texts(page)


def test_no_window_is_promised_where_none_opens(open_page: Open, cloud: CloudDesk) -> None:
    setup = cloud.target.setup
    setup.state = SignIn(SignInState.PENDING, "device_code")
    shown = texts(open_page("setup"))
    assert "window" not in shown
    assert "Signing in. This takes a moment." in shown
    ways = setup.ways_to_sign_in()
    setup.ways_to_sign_in = lambda: [replace(way, opens_window=True) for way in ways]  # type: ignore[method-assign]
    assert "Go on in the window that has opened." in texts(open_page("setup"))


def test_what_is_being_made_is_not_offered_a_second_time(open_page: Open, cloud: CloudDesk) -> None:
    setup = cloud.target.setup
    setup.sign_in("cli")
    setup.choose("subscription", "sub-1")
    setup.options["group"].clear()
    operation = setup.create("group", {"name": "rg-mine"})
    page = open_page("setup")
    assert page.selectbox(key="choice_group").placeholder == "It is being made…"
    assert page.button(key="create_group").disabled
    assert primary_buttons(page) == []
    cloud.target.ongoing.fail(operation.id)
    page.run()
    assert not page.button(key="create_group").disabled


def test_a_sign_in_that_failed_says_why(open_page: Open, cloud: CloudDesk) -> None:
    cloud.target.setup.state = replace(
        cloud.target.setup.state,
        state=SignInState.FAILED,
        failure=Failure("x", "No way in.", "Blocked.", "Ask.", "raw"),
    )
    shown = texts(open_page("setup"))
    assert "No way in." in shown
    assert "Blocked." in shown


def test_each_choice_waits_for_the_one_before_it(open_page: Open, cloud: CloudDesk) -> None:
    cloud.target.setup.sign_in("cli")
    page = open_page("setup")
    assert page.selectbox(key="choice_group").disabled
    assert page.selectbox(key="choice_group").placeholder == "Choose the subscription first."
    page.selectbox(key="choice_subscription").set_value("sub-1").run()
    page.selectbox(key="choice_group").set_value("rg-1").run()
    page.selectbox(key="choice_workspace").set_value("ws-1").run()
    assert cloud.target.setup.is_ready
    page.selectbox(key="choice_subscription").set_value("sub-2").run()
    assert cloud.target.setup.chosen == {"subscription": "sub-2"}
    assert page.selectbox(key="choice_workspace").value is None
    assert not page.exception


def test_a_choice_that_can_not_be_listed_says_why_and_the_rest_stays(open_page: Open, connected: CloudDesk) -> None:
    connected.target.setup.unlisted["group"] = Failure("no_role", "Groups can't be listed.", "No Reader role.", "Ask.")
    page = open_page("setup")
    assert "Groups can't be listed." in texts(page)
    assert page.selectbox(key="choice_group").value == "rg-1"
    connected.target.setup.unlisted.clear()
    page.button(key="look_group").click().run()
    assert "Groups can't be listed." not in texts(page)


def test_the_next_choice_with_nothing_to_choose_from_offers_to_create_it(open_page: Open, cloud: CloudDesk) -> None:
    cloud.target.setup.sign_in("cli")
    cloud.target.setup.choose("subscription", "sub-1")
    cloud.target.setup.options["group"].clear()
    page = open_page("setup")
    assert [button.key for button in primary_buttons(page)] == ["create_group"]


def test_what_is_not_there_is_created_followed_and_chosen(open_page: Open, cloud: CloudDesk) -> None:
    cloud.target.setup.sign_in("cli")
    cloud.target.setup.choose("subscription", "sub-1")
    page = open_page("setup")
    page.button(key="create_group").click().run()
    assert page.text_input(key="field_group_name").value == "rg-phidesk"
    assert page.selectbox(key="field_group_region").options == ["East US", "Europe"]
    page.text_input(key="field_group_name").set_value("Not Good")
    page.button(key="create_group_yes").click().run()
    assert "can't be used" in texts(page)
    assert cloud.target.setup.operations() == []
    page.button(key="create_group").click().run()
    page.text_input(key="field_group_name").set_value("rg-mine")
    page.button(key="create_group_yes").click().run()
    [operation] = cloud.target.setup.operations()
    assert "You can leave this page" in texts(page)
    cloud.target.ongoing.finish(operation.id)
    page.run()
    assert page.selectbox(key="choice_group").value == "rg-mine"
    page.button(key=f"dismiss_{operation.id}").click().run()
    assert cloud.target.setup.operations() == []


def test_an_operation_that_failed_says_why_and_is_tried_again(open_page: Open, connected: CloudDesk) -> None:
    operation = connected.target.setup.create("workspace", {"name": "ws-two"})
    connected.target.ongoing.fail(operation.id)
    page = open_page("setup")
    assert "A role is missing." in texts(page)
    page.button(key=f"retry_{operation.id}").click().run()
    assert connected.target.ongoing.all[operation.id].state is OperationState.RUNNING
    assert not page.exception


def test_what_is_done_takes_one_line_and_what_failed_is_said_in_full(open_page: Open, connected: CloudDesk) -> None:
    ongoing = connected.target.ongoing
    for name in ("ws-two", "ws-three"):
        ongoing.finish(connected.target.setup.create("workspace", {"name": name}).id)
    ongoing.fail(connected.target.setup.create("workspace", {"name": "ws-four"}).id)
    page = open_page("setup")
    assert "2 tasks done, Create ws-three last" in [one.label.replace("\\", "") for one in page.expander]
    assert "A role is missing." in texts(page)
    deploy = open_page("deploy")
    assert "Create ws-four" in texts(deploy)
    assert "Create ws-three" not in texts(deploy)


def test_the_bar_of_every_page_says_what_is_being_made(open_page: Open, connected: CloudDesk) -> None:
    assert "Nothing running" in texts(open_page("home"))
    connected.target.setup.create("workspace", {"name": "ws-two"})
    page = open_page("home")
    assert any("Create ws-two" in link.proto.label.replace("\\", "") for link in page.get("page_link"))
    assert "Nothing running" not in texts(page)


def test_many_checks_show_first_what_is_missing(open_page: Open, connected: CloudDesk) -> None:
    fine = [Check(f"Fine {n}", True, "Good.", id=f"fine{n}") for n in range(9)]
    wrong = Check("Role", False, "A role is missing.", id="role", fix=lambda: None, changes=("Give it",))
    connected.target.check = lambda: [*fine, wrong]  # type: ignore[method-assign]
    page = open_page("setup")
    assert "1 thing is missing before everything works." in texts(page)
    assert "9 checks are fine" in [one.label for one in page.expander]
    assert "Fix all…" in [button.label for button in primary_buttons(page)]
    names = [text.value for text in page.markdown if "**Role**" in text.value or "**Fine 0**" in text.value]
    assert "**Role**" in names[0]
    connected.target.check = lambda: fine  # type: ignore[method-assign]
    page.button(key="check_again").click().run()
    assert "Cloud is ready for training and answers." in texts(page)


def test_checks_say_what_why_and_the_sentence_for_an_admin(open_page: Open, connected: CloudDesk) -> None:
    page = open_page("setup")
    shown = texts(page)
    for words in ("The identity phidesk-id is missing.", "No A100 can start.", "Ask for more.", "East US"):
        assert words in shown
    assert "Please raise the quota NCADSA100v4 in eastus to 24 cores." in [code.value for code in page.code]
    assert "https://portal.example/quota" in links(page)


def test_one_check_is_fixed_by_its_button(open_page: Open, connected: CloudDesk) -> None:
    page = open_page("setup")
    page.button(key="fix_identity").click().run()
    assert "The identity phidesk-id is missing." not in texts(page)
    assert "The role AcrPull of phidesk-id is missing." in texts(page)


def test_a_fix_that_is_refused_says_why(open_page: Open, connected: CloudDesk) -> None:
    def refuse() -> None:
        raise Unavailable("You may not create it.", why="403", code="no_role")

    connected.target.check = lambda: [Check("Role", False, "Missing.", fix=refuse, id="role")]  # type: ignore[method-assign]
    page = open_page("setup")
    page.button(key="fix_role").click().run()
    assert "You may not create it." in texts(page)


def test_fix_all_lists_what_it_changes_before_it_changes_anything(open_page: Open, connected: CloudDesk) -> None:
    page = open_page("setup")
    page.button(key="fix_all").click().run()
    shown = texts(page)
    assert "- Create: The identity phidesk-id" in shown
    assert "- Create: The role AcrPull of phidesk-id" in shown
    assert "- Quota: 0 of 24 cores" in shown
    assert connected.target.setup.operations() == []
    page.button(key="fix_all_yes").click().run()
    [operation] = connected.target.setup.operations()
    connected.target.ongoing.finish(operation.id)
    page.run()
    assert "is missing" not in texts(page)


def test_the_checks_are_looked_at_again_when_asked(open_page: Open, connected: CloudDesk) -> None:
    page = open_page("setup")
    connected.target.setup.missing.clear()
    page.run()
    assert "The identity phidesk-id is missing." in texts(page)
    page.button(key="check_again").click().run()
    assert "The identity phidesk-id is missing." not in texts(page)


def test_the_set_up_is_taken_from_a_file(open_page: Open, connected: CloudDesk) -> None:
    page = open_page("setup")
    page.session_state["setup_file"] = True
    page.run()
    page.file_uploader(key="setup_upload").upload("s.yml", b"no setting", "application/yaml").run()
    page.button(key="apply_setup").click().run()
    assert "Line 1 is no setting." in texts(page)
    page.file_uploader(key="setup_upload").upload("s.yml", b"\xff\xfe\x00", "application/yaml").run()
    page.button(key="apply_setup").click().run()
    assert "This is no set-up file." in texts(page)
    page.file_uploader(key="setup_upload").upload("s.yml", b"group: rg-1\n", "application/yaml").run()
    page.button(key="apply_setup").click().run()
    assert connected.target.setup.applied == ["group: rg-1\n"]


def test_names_from_the_cloud_stay_text(open_page: Open, connected: CloudDesk) -> None:
    setup = connected.target.setup
    setup.state = replace(setup.state, account=HOSTILE_NAME)
    setup.options["subscription"][0] = Option("sub-1", HOSTILE_NAME)
    connected.target.ongoing.begin("create", HOSTILE_NAME, lambda: None)
    connected.target.check = lambda: [Check(HOSTILE_NAME, False, HOSTILE_NAME, id="x", ask_admin=HOSTILE_NAME)]  # type: ignore[method-assign]
    page = open_page("setup")
    drawn = [element.value for element in page.markdown] + [element.value for element in page.caption]
    assert not [text for text in drawn if "![x](" in text]
    assert not page.exception


@pytest.mark.parametrize("name", ["home", "setup", "dataset", "train", "evaluate", "deploy", "chat"])
def test_every_page_opens_when_the_cloud_is_not_connected(open_page: Open, cloud: CloudDesk, name: str) -> None:
    page = open_page(name)
    assert not page.exception
    assert not page.error
    assert len(page.title) == 1
    assert len(primary_buttons(page)) <= 1


@pytest.mark.parametrize("name", ["train", "evaluate", "deploy", "chat"])
def test_pages_that_need_the_cloud_lead_to_setup(open_page: Open, cloud: CloudDesk, name: str) -> None:
    page = open_page(name)
    assert "Cloud is not connected. Sign in on Setup first." in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["Open Setup"]


def test_home_names_the_choice_that_is_missing(open_page: Open, cloud: CloudDesk) -> None:
    cloud.target.setup.sign_in("cli")
    page = open_page("home")
    assert "Choose this on Setup first: Subscription." in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["Choose where to run"]
    cloud.target.connect()


def test_home_says_that_the_cloud_is_connected(open_page: Open, connected: CloudDesk) -> None:
    page = open_page("home")
    assert "Cloud is connected." in texts(page)
    assert [button.label for button in primary_buttons(page)] == ["Add examples"]


def test_a_cloud_that_does_not_answer_leaves_the_pages_standing(open_page: Open, connected: CloudDesk) -> None:
    def fail(**_options: object) -> list[object]:
        raise Unavailable("The cloud does not answer.", how_to_fix="Try again.", code="no_network")

    connected.target.jobs.list = fail  # type: ignore[assignment,method-assign]
    for name in ("home", "train"):
        page = open_page(name)
        assert not page.exception
        assert "The cloud does not answer." in texts(page)
    assert not open_page("dataset").exception
