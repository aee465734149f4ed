"""A new run on one page: name, base model, preset, a closed Advanced, and a review before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from backend import estimates
from backend.domain import BaseModel, Dataset, JobSpec
from backend.domain_setup import Purpose
from backend.errors import PhiDeskError
from backend.i18n import _
from backend.recipes import suited_to
from streamlit_app import session
from streamlit_app.ui import errors, machine_fields, money, numbers, size_select
from streamlit_app.ui.code_view import show_as_code
from streamlit_app.ui.keyboard import primary_shortcut
from streamlit_app.ui.machine_fields import Chosen
from streamlit_app.ui.parameter_fields import show_parameters
from streamlit_app.ui.safe_text import plain

if TYPE_CHECKING:
    from backend.bootstrap import Desk

OTHER_MODEL = ""


def show_new_run(desk: Desk) -> None:
    st.title(_("New run"))
    st.caption(_("The presets are good as they are. Change something only if you want to."))
    datasets = desk.datasets.list()
    if not datasets:
        st.info(_("Training needs a dataset."), icon=":material/forum:")
        if st.button(_("Add examples"), key="add_examples", type="primary", shortcut=primary_shortcut()):
            st.switch_page("app_pages/dataset.py")
        return
    dataset = _choose_dataset(datasets)
    name = st.text_input(_("Name of the run"), value=_default_name(dataset), max_chars=60, key=f"run_name_{dataset.id}")
    models = session.base_models()
    base, is_catalogue = _choose_base(models)
    chosen = machine_fields.choose_machine()
    recipes = {one.id: one for one in desk.training.recipes()}
    parameters = next((model.parameters for model in models if model.id == base), 0)
    _suggest_recipe(parameters)
    recipe_id = st.radio(
        _("Preset"),
        list(recipes),
        format_func=lambda one: recipes[one].title,
        captions=[one.description for one in recipes.values()],
        key="run_recipe",
    )
    recipe = recipes[recipe_id]
    with st.expander(_("Advanced"), icon=":material/tune:"):
        changed = show_parameters(desk.training.parameters(), recipe, of_catalogue=is_catalogue)
        machine = chosen.machine if is_catalogue else replace(chosen.machine, image=machine_fields.choose_image())

    st.header(_("Review"))
    try:
        spec = _with_steady_id(desk.training.spec(name or "", dataset.id, base, recipe.id, changed, machine))
        estimate = desk.training.estimate(spec)
    except PhiDeskError as error:
        errors.show_failure(error.failure())
        st.button(_("Start training"), key="start_training", type="primary", disabled=True)
        return
    with st.container(border=True, key="review"):
        st.markdown(
            "\n".join(
                [
                    _("- **Learns from** {rows} examples of {name}, checked with {eval_rows}").format(
                        rows=numbers.count(dataset.train_rows),
                        name=plain(dataset.name),
                        eval_rows=numbers.count(dataset.eval_rows),
                    ),
                    _("- **Where** {target}").format(target=plain(_where(desk.target.title, chosen))),
                    _("- **Time** {time}, {steps} steps (estimate)").format(
                        time=numbers.about(estimate.seconds).lower() if estimate.seconds else _("not known"),
                        steps=numbers.count(estimate.steps),
                    ),
                    _("- **Memory** {size} (estimate)").format(
                        size=numbers.size(estimate.memory_bytes) if estimate.memory_bytes else _("not known")
                    ),
                    _cost(desk, chosen, estimate.seconds),
                ]
            )
        )
        st.caption(plain(estimate.basis))
        if estimate.fits is False:
            st.warning(
                _("Choose a smaller base model, or LoRA and a smaller batch in Advanced."),
                title=_("This may not fit the memory of {target}").format(
                    target=plain(desk.target.title) if chosen.has_cost else _("this computer")
                ),
                icon=":material/memory:",
            )
        elif chosen.size is not None:
            # The service's own recipe shares the memory out by itself.
            machine_fields.show_doubts(chosen.size, parameters, 0 if is_catalogue else estimate.memory_bytes)
        st.caption(_("Next: the run is shown while it goes on. You can stop it and resume it."))
    if st.button(
        _("Start training"),
        key="start_training",
        type="primary",
        icon=":material/play_arrow:",
        shortcut=primary_shortcut(),
        disabled=not chosen.is_usable,
    ):
        with errors.shown():
            _start(desk, spec)
    show_as_code(lambda: desk.training.as_code(spec), key="run_code")


def _suggest_recipe(base_parameters: int) -> None:
    """With another base model comes the preset that suits it; a person may still take another one."""
    suited = suited_to(base_parameters)
    if st.session_state.get(session.SUGGESTED_RECIPE) != suited or "run_recipe" not in st.session_state:
        st.session_state[session.SUGGESTED_RECIPE] = st.session_state["run_recipe"] = suited


def _choose_dataset(datasets: Sequence[Dataset]) -> Dataset:
    wanted = st.query_params.get(session.DATASET_PARAMETER)
    ids = [one.id for one in datasets]
    by_id = {one.id: one for one in datasets}
    chosen = st.selectbox(
        _("Dataset"),
        ids,
        index=ids.index(wanted) if wanted in ids else 0,
        format_func=lambda one: _("{name} · {rows} examples").format(
            name=by_id[one].name, rows=numbers.count(by_id[one].train_rows)
        ),
        key="run_dataset",
    )
    return by_id[chosen]


def _where(target: str, chosen: Chosen) -> str:
    machine = chosen.machine
    if not machine.size:
        return target
    cluster = _("cluster {name}").format(name=machine.cluster) if machine.cluster else ""
    priority = _("low priority") if machine.is_low_priority else ""
    return ", ".join(part for part in (target, f"{machine.nodes} × {machine.size}", cluster, priority) if part)


def _cost(desk: Desk, chosen: Chosen, seconds: float) -> str:
    if desk.target.costs is None:
        return _("- **Cost** none")
    price = plain(money.per_hour(chosen.price, chosen.machine.nodes))
    cost = chosen.cost(seconds)
    if not cost:
        return _("- **Cost** {price}, in all unknown").format(price=price)
    return _("- **Cost** {price}, about {cost} in all (estimate)").format(price=price, cost=plain(cost))


def _choose_base(models: Sequence[BaseModel]) -> tuple[str, bool]:
    """Its id, and whether it is of a catalogue."""
    by_id = {model.id: model for model in models}

    def title(model_id: str) -> str:
        if model_id == OTHER_MODEL:
            return _("Another model: Hugging Face id or folder…")
        model = by_id[model_id]
        origin = _(" · catalogue") if model.source == "catalogue" else ""
        note = "" if model.fits else _(" · too large")
        return f"{model.title}{origin}{note}"

    ids = sorted(by_id, key=lambda one: by_id[one].source == "catalogue")
    chosen = st.selectbox(
        _("Base model"),
        [*ids, OTHER_MODEL],
        index=ids.index(_default_base(models)) if ids else 0,
        format_func=title,
        key="run_base",
    )
    if chosen == OTHER_MODEL:
        custom = st.text_input(
            _("Hugging Face id or folder"),
            placeholder="microsoft/Phi-3.5-mini-instruct",
            key="run_custom_base",
            help=_("A causal language model in safetensors format. Code that comes with a model is never run."),
        )
        return (custom or "").strip(), False
    model = by_id[chosen]
    facts = [
        _("{n} parameters").format(n=numbers.short_count(model.parameters)) if model.parameters else "",
        model.licence,
        _("{size} to download").format(size=numbers.size(model.download_bytes))
        if model.download_bytes and not model.is_local
        else "",
        model.fit_reason,
    ]
    st.caption(plain(" · ".join(fact for fact in facts if fact)))
    is_catalogue = model.source == "catalogue"
    if is_catalogue:
        st.caption(
            _(
                "The service's own recipe tunes this model, not the script of Phi Desk. Of the settings, those in "
                "Advanced apply; the service decides the rest."
            )
        )
    return chosen, is_catalogue


def _default_base(models: Sequence[BaseModel]) -> str:
    """The target's first, or the first that needs no GPU where no machine with one can be had."""
    sizes = session.sizes(Purpose.TRAINING)
    has_gpu = not sizes or sizes[size_select.default_index(sizes)].gpus > 0
    suited = (model.id for model in models if has_gpu or not estimates.needs_gpu(model.parameters))
    return next(suited, models[0].id)


def _default_name(dataset: Dataset) -> str:
    return _("{name} run").format(name=dataset.name)[:60]


def _with_steady_id(spec: JobSpec) -> JobSpec:
    """The same id until it is started, so that an impatient second click is no second run."""
    steady = st.session_state.setdefault(session.NEW_RUN_ID, spec.id)
    return replace(spec, id=steady)


def _start(desk: Desk, spec: JobSpec) -> None:
    job = desk.training.start(spec)
    st.session_state.pop(session.NEW_RUN_ID, None)
    st.session_state[session.PENDING_TOAST] = _("Training started.")
    st.switch_page("app_pages/train.py", query_params={session.JOB_PARAMETER: job.id})
