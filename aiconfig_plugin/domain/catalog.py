"""What the operator offers: providers and models, what is paid, whose key pays, and a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from aiconfig_plugin.domain.model import AIConfig, Model

API: TypeAlias = Literal["openai", "anthropic", "google", "ollama"]
SharedKeyMode: TypeAlias = Literal["never", "fallback", "only"]
PromptMode: TypeAlias = Literal["before", "default", "only"]


@dataclass(frozen=True)
class OfferedModel:
    """One model of a provider. Without a ``type`` it is offered for every type."""

    model: str
    type: str | None = None
    is_paid: bool | None = None


@dataclass(frozen=True)
class OfferedProvider:
    """A provider of the catalogue. ``is_paid`` None leaves it to the user, or to the model."""

    name: str
    models: tuple[OfferedModel, ...] = ()
    other_models: bool = False
    is_paid: bool | None = None
    base_url: str | None = None
    api: API | None = None
    shared_key: SharedKeyMode = "never"
    _by_name: Mapping[tuple[str, str | None], OfferedModel] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        by_name = {(offered.model, offered.type): offered for offered in self.models}
        object.__setattr__(self, "_by_name", by_name)

    def find(self, model: str, type: str) -> OfferedModel | None:
        """Return the model as the catalogue lists it, or None."""
        return self._by_name.get((model, type)) or self._by_name.get((model, None))


@dataclass(frozen=True)
class OperatorPrompt:
    """The operator's system prompt. ``hidden`` keeps its text from users."""

    text: str
    mode: PromptMode
    hidden: bool = False


class Catalog:
    """What may be configured. Without arguments everything is offered, and users decide."""

    def __init__(
        self,
        providers: Iterable[OfferedProvider] = (),
        *,
        other_providers: bool = True,
        system_prompt: OperatorPrompt | None = None,
    ) -> None:
        self.providers: Mapping[str, OfferedProvider] = {one.name: one for one in providers}
        self.other_providers = other_providers
        self.system_prompt = system_prompt

    def refusal(self, entry: Model) -> Literal["provider", "model"] | None:
        """Return which member of an entry names what is not offered; None where all is."""
        provider = self.providers.get(entry.provider)
        if provider is None:
            return None if self.other_providers else "provider"
        if provider.other_models or provider.find(entry.model, entry.type):
            return None
        return "model"

    def is_paid(self, entry: Model) -> bool:
        """Return the operator's word, where there is one, and else the user's."""
        provider = self.providers.get(entry.provider)
        if provider is None:
            return entry.is_paid
        model = provider.find(entry.model, entry.type)
        said = (model.is_paid if model else None, provider.is_paid, entry.is_paid)
        return next(word for word in said if word is not None)

    def applied(self, config: AIConfig) -> AIConfig:
        """Return the configuration with the operator's word on what is paid."""
        if not self.providers or all(e.is_paid is self.is_paid(e) for e in config.models):
            return config
        models = (replace(entry, is_paid=self.is_paid(entry)) for entry in config.models)
        return replace(config, models=tuple(models))

    def base_url(self, provider: str) -> str | None:
        """Return where entries without a ``baseUrl`` reach the provider, if it is said."""
        found = self.providers.get(provider)
        return found.base_url if found else None

    def api(self, provider: str) -> API | None:
        """Return the dialect that the operator named for the provider, if any."""
        found = self.providers.get(provider)
        return found.api if found else None

    def shared_key(self, provider: str) -> SharedKeyMode:
        """Return when the operator's key pays for the provider."""
        found = self.providers.get(provider)
        return found.shared_key if found else "never"

    def prompt(self, users: str) -> str:
        """Return the system prompt that results from the user's."""
        operators = self.system_prompt
        if operators is None:
            return users
        match operators.mode:
            case "only":
                return operators.text
            case "default":
                return users or operators.text
            case "before":
                return f"{operators.text}\n\n{users}" if users else operators.text
