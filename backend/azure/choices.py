"""The dependent choices that connect a workspace: each is filled by the ones before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from backend.azure.config import AzureConfig
from backend.azure.connection import Connection
from backend.azure.listings import Listings, Place
from backend.azure.names import require_name
from backend.domain_setup import Choice, FormField, Option
from backend.errors import BadInput, PhiDeskError
from backend.i18n import _

NEW = ""
"""In a form: not an existing one, but a new one."""
_FORGETS: Mapping[str, tuple[str, ...]] = {
    "tenant": ("subscription", "resource_group", "workspace", "region", "identity", "hub", "project"),
    "subscription": ("resource_group", "workspace", "region", "identity", "hub", "project"),
    "resource_group": ("workspace", "region", "identity", "hub", "project"),
    "workspace": (),
    "identity": (),
    "hub": ("project",),
    "project": (),
}


class Choices:
    def __init__(self, connection: Connection, listings: Listings) -> None:
        self.connection = connection
        self.listings = listings

    def list(self) -> Sequence[Choice]:
        """Asks side by side. One that can't be listed says why, and hides no other."""
        config = self.connection.config
        makers: list[Callable[[AzureConfig], Choice]] = [
            self._tenant,
            self._subscription,
            self._group,
            self._workspace,
            self._identity,
            self._hub,
            self._project,
        ]
        if not self.connection.account.is_signed_in:
            waiting = [replace(_EMPTY[name](), waits_for=_("Sign in first."), chosen="") for name in _FORGETS]
            return [choice for choice in waiting if choice.id != "tenant"]
        with ThreadPoolExecutor(max_workers=len(makers)) as pool:
            found = list(pool.map(lambda make: make(config), makers))
        # who has one tenant only need not know that there are tenants
        return [one for one in found if one.id != "tenant" or len(one.options) > 1 or config.tenant]

    def choose(self, choice: str, option: str) -> None:
        """Raises BadInput for an option that is not there."""
        if choice not in _FORGETS:
            raise BadInput(_("There is nothing to choose called {name}.").format(name=choice), code="no_such_choice")
        config = self.connection.config
        if getattr(config, choice) == option:
            return
        now = replace(config, **dict.fromkeys(_FORGETS[choice], ""), **{choice: option})
        if option:
            found = self._options(choice, config)
            if option not in {one.id for one in found}:
                raise BadInput(
                    _("{option} is not there to be chosen.").format(option=option),
                    how_to_fix=_("Choose one of: {options}.").format(
                        options=", ".join(one.title for one in found) or _("none")
                    ),
                    code="no_such_option",
                )
        if choice == "workspace":
            now = replace(now, region=self._region_of(option, config) if option else "")
        self.connection.save(now)

    def form(self, choice: str) -> Sequence[FormField]:
        """What creating one asks for. Raises BadInput where nothing can be created."""
        makers = {
            "resource_group": self._group_form,
            "workspace": self._workspace_form,
            "hub": self._hub_form,
            "project": self._project_form,
        }
        if choice not in makers:
            raise BadInput(_("Nothing of that kind can be created here."), code="no_such_choice")
        return makers[choice](self.connection.config)

    def require_values(self, choice: str, values: Mapping[str, str]) -> dict[str, str]:
        """A filled form with its defaults. Raises BadInput, naming the field."""
        fields = {field.name: field for field in self.form(choice)}
        for name in values:
            if name not in fields:
                raise BadInput(_("{field}: there is no such field.").format(field=name), code="no_such_field")
        filled = {name: values.get(name, field.default).strip() for name, field in fields.items()}
        require_name(choice, filled["name"], fields["name"].title)
        for name, field in fields.items():
            if field.options and filled[name] not in {option.id for option in field.options}:
                raise BadInput(
                    _("{field}: {value} is not there to be chosen.").format(field=field.title, value=filled[name]),
                    how_to_fix=_("Choose one of: {options}.").format(
                        options=", ".join(option.title for option in field.options)
                    ),
                    code="no_such_option",
                )
        return filled

    def is_taken(self, choice: str, name: str) -> bool:
        return name.lower() in {one.id.lower() for one in self._taken(choice)}

    def name_taken(self, choice: str, name: str) -> BadInput:
        field = next(field for field in self.form(choice) if field.name == "name")
        return BadInput(
            _("{field}: {name} is taken already.").format(field=field.title, name=name),
            how_to_fix=_("Choose it from the list, or take another name."),
            code="name_taken",
        )

    def _taken(self, choice: str) -> Sequence[Option]:
        config = self.connection.config
        if choice == "resource_group":
            return [place.option() for place in self.listings.groups(config.subscription)]
        return [place.option() for place in self._places(config)]  # the three kinds share their names

    def _options(self, choice: str, config: AzureConfig) -> Sequence[Option]:
        found = {
            "tenant": self._tenant,
            "subscription": self._subscription,
            "resource_group": self._group,
            "workspace": self._workspace,
            "identity": self._identity,
            "hub": self._hub,
            "project": self._project,
        }[choice](config)
        if found.failure:
            raise BadInput.of(found.failure)
        if found.waits_for:
            raise BadInput(found.waits_for, code="choose_first")
        return found.options

    def _places(self, config: AzureConfig, *kinds: str) -> Sequence[Place]:
        found = self.listings.workspaces(config.subscription, config.resource_group)
        return [place for place in found if not kinds or place.kind in kinds]

    def _region_of(self, workspace: str, config: AzureConfig) -> str:
        return next(place.region for place in self._places(config) if place.name == workspace)

    def _tenant(self, config: AzureConfig) -> Choice:
        chosen = config.tenant or self.connection.account.state().tenant
        return _filled(_EMPTY["tenant"](), chosen, self.listings.tenants)

    def _subscription(self, config: AzureConfig) -> Choice:
        found = _filled(_EMPTY["subscription"](), config.subscription, self.listings.subscriptions)
        if found.options or found.failure:
            return found
        self.listings.forget()  # who has got one meanwhile looks again at once
        nothing = BadInput(
            _("This account sees no subscription."),
            why=_("A subscription is what Azure bills. It belongs to an organisation (tenant), and to some accounts."),
            how_to_fix=_(
                "Sign out and use another account, or choose another tenant. Else open a subscription in the Azure "
                "portal, or ask an administrator for the role Contributor on one."
            ),
            code="no_subscription",
        )
        return replace(found, failure=nothing.failure())

    def _group(self, config: AzureConfig) -> Choice:
        empty = _EMPTY["resource_group"]()
        if not config.subscription:
            return replace(empty, waits_for=_("Choose a subscription first."))
        return _filled(
            empty,
            config.resource_group,
            lambda: [place.option() for place in self.listings.groups(config.subscription)],
            lambda: self._group_form(config),
        )

    def _workspace(self, config: AzureConfig) -> Choice:
        empty = _EMPTY["workspace"]()
        if not config.resource_group:
            return replace(empty, waits_for=_("Choose a resource group first."))
        return _filled(
            empty,
            config.workspace,
            lambda: [place.option() for place in self._places(config, "default")],
            lambda: self._workspace_form(config),
        )

    def _identity(self, config: AzureConfig) -> Choice:
        empty = _EMPTY["identity"]()
        if not config.resource_group:
            return replace(empty, waits_for=_("Choose a resource group first."))
        found = self.listings.identities
        return _filled(
            empty,
            config.identity,
            lambda: [place.option() for place in found(config.subscription, config.resource_group)],
        )

    def _hub(self, config: AzureConfig) -> Choice:
        empty = _EMPTY["hub"]()
        if not config.resource_group:
            return replace(empty, waits_for=_("Choose a resource group first."))
        return _filled(
            empty,
            config.hub,
            lambda: [place.option() for place in self._places(config, "hub")],
            lambda: self._hub_form(config),
        )

    def _project(self, config: AzureConfig) -> Choice:
        empty = _EMPTY["project"]()
        if not config.hub:
            return replace(empty, waits_for=_("Choose a hub first."))
        hub = f"/workspaces/{config.hub}".lower()
        return _filled(
            empty,
            config.project,
            lambda: [p.option() for p in self._places(config, "project") if p.hub.lower().endswith(hub)],
            lambda: self._project_form(config),
        )

    def _group_form(self, config: AzureConfig) -> tuple[FormField, ...]:
        return (_name_field("phidesk"), self._region_field(config, ""))

    def _workspace_form(self, config: AzureConfig) -> tuple[FormField, ...]:
        new = {
            "storage_account": (_("Storage account"), _("A new one")),
            "key_vault": (_("Key vault"), _("A new one")),
            "application_insights": (_("Application Insights"), _("A new one")),
            "container_registry": (_("Container registry"), _("A new one, made when the first image is built")),
        }
        parts = []
        for field, (title, words) in new.items():
            existing = self.listings.dependents(config.subscription, field)
            parts.append(FormField(field, title, default=NEW, options=(Option(NEW, words), *existing)))
        return (_name_field("phidesk-workspace"), self._region_field(config, self._group_region(config)), *parts)

    def _hub_form(self, config: AzureConfig) -> tuple[FormField, ...]:
        return (
            _name_field("phidesk-hub"),
            self._region_field(config, config.region or self._group_region(config)),
        )

    def _project_form(self, config: AzureConfig) -> tuple[FormField, ...]:
        return (_name_field("phidesk-project"),)

    def _group_region(self, config: AzureConfig) -> str:
        groups = self.listings.groups(config.subscription)
        return next((place.region for place in groups if place.name == config.resource_group), "")

    def _region_field(self, config: AzureConfig, default: str) -> FormField:
        regions = tuple(self.listings.regions(config.subscription))
        ids = [region.id for region in regions]
        fallback = "eastus" if "eastus" in ids else next(iter(ids), "")
        return FormField(
            "region",
            _("Region"),
            _("Where it stands. Sizes, quota and prices differ from region to region."),
            default if default in ids else fallback,
            regions,
        )


def _name_field(default: str) -> FormField:
    return FormField("name", _("Name"), default=default)


_EMPTY: Mapping[str, Callable[[], Choice]] = {
    "tenant": lambda: Choice("tenant", _("Tenant"), _("The organization whose subscriptions you want to use.")),
    "subscription": lambda: Choice("subscription", _("Subscription"), _("What Azure bills.")),
    "resource_group": lambda: Choice(
        "resource_group", _("Resource group"), _("A folder at Azure. Deleting it deletes everything in it.")
    ),
    "workspace": lambda: Choice("workspace", _("Workspace"), _("Where runs, models and endpoints are kept.")),
    "identity": lambda: Choice(
        "identity",
        _("Managed identity"),
        _("As whom endpoints read models and images. The checks below can make one."),
        is_optional=True,
    ),
    "hub": lambda: Choice(
        "hub", _("Foundry hub"), _("Only for a project in Azure AI Foundry (classic)."), is_optional=True
    ),
    "project": lambda: Choice(
        "project", _("Foundry project"), _("Where the connection for prompt flow is put."), is_optional=True
    ),
}


def _filled(
    empty: Choice,
    chosen: str,
    options: Callable[[], Sequence[Option]],
    form: Callable[[], Sequence[FormField]] = tuple,
) -> Choice:
    try:
        found = tuple(options())
        fields = tuple(form())
    except PhiDeskError as error:
        return replace(empty, chosen=chosen, failure=error.failure())
    if chosen and chosen not in {option.id for option in found}:
        gone = BadInput(
            _("{name} is no longer there.").format(name=chosen),
            how_to_fix=_("Choose another one, or create it."),
            code="choice_is_gone",
        )
        return replace(empty, options=found, form=fields, failure=gone.failure())
    return replace(empty, options=found, chosen=chosen, form=fields)
