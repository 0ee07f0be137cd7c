"""Finding plugins and keeping a broken one from harming the others."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy
from pydantic import ValidationError

from olearn_core import hookspecs
from olearn_core.errors import ConfigError, PluginError
from olearn_core.hookspecs import PROJECT, AnyModel
from olearn_core.models import Policy, Predictor
from olearn_core.statistics import Column
from olearn_core.statistics.standard import DECIDED, JOINED

logger = logging.getLogger(__name__)

OWN_COLUMNS = frozenset({DECIDED.name, JOINED.name})

Options = Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class PluginInfo:
    """
    What is known of a plugin.

    :param models: names of the models it provides
    :param hooks: names of the hooks it implements
    :param problem: why it is not used, None where it is
    """

    name: str
    distribution: str
    version: str
    models: list[str] = field(default_factory=list)
    problem: str | None = None
    hooks: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a service, made from plugins and configuration."""

    predictors: Sequence[Predictor[Any]]
    policies: Mapping[str, Policy[Any]]
    policy: Policy[Any]
    columns: Sequence[Column]

    @property
    def table_columns(self) -> tuple[Column, ...]:
        """The columns of what is learned: the models', and which decisions came back."""
        return (*self.columns, JOINED)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the models' columns."""
        return tuple(column.name for column in self.columns)


class Plugins:
    """
    Plugins that were found, with the model classes they provide.

    :ivar infos: every plugin found, working or not
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._classes: dict[str, AnyModel] = {}
        self._columns: dict[str, Column] = {}
        self.infos: list[PluginInfo] = []

    @classmethod
    def found(cls, disabled: Iterable[str] = ()) -> Plugins:
        """Load every installed plugin that is not disabled."""
        plugins = cls()
        names = set(disabled)
        for entry in sorted(entry_points(group=PROJECT), key=lambda e: e.name):
            if entry.name not in names:
                plugins.load(entry)
        return plugins

    def load(self, entry: EntryPoint) -> PluginInfo:
        """Import one entry point; whatever it raises is noted, not passed on."""
        distribution = entry.dist
        info = PluginInfo(
            entry.name,
            distribution.name if distribution else "?",
            distribution.version if distribution else "?",
        )
        try:
            self._register(entry.load(), info)
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            self._note(info, error)
        self.infos.append(info)
        return info

    def register(self, plugin: object, name: str) -> PluginInfo:
        """Use an object as a plugin, for tests and for code that has no package."""
        info = PluginInfo(name, "(given in code)", "")
        try:
            self._register(plugin, info)
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            self._note(info, error)
        self.infos.append(info)
        return info

    def _note(self, info: PluginInfo, error: Exception) -> None:
        info.problem = f"{type(error).__name__}: {error}"
        logger.error("plugin %s is left out: %s", info.name, info.problem)

    def _register(self, plugin: object, info: PluginInfo) -> None:
        self._manager.register(plugin, info.name)
        try:
            self._manager.check_pending()
            info.hooks += sorted(c.name for c in self._manager.get_hookcallers(plugin) or ())
            others = [p for p in self._manager.get_plugins() if p is not plugin]
            hooks = self._manager.subset_hook_caller("olearn_register_models", others)
            classes = [model for models in hooks() for model in models]
            for number, model in enumerate(classes):
                self._check(model, classes[:number])
        except BaseException:
            self._manager.unregister(plugin)
            raise
        for model in classes:
            self._classes[model.name] = model
            self._columns |= {column.name: column for column in model.columns}
            info.models.append(model.name)

    def _check(self, model: AnyModel, before: Sequence[AnyModel]) -> None:
        """
        Make sure that a model can be used beside the others.

        :param before: models of the same plugin that were checked already
        """
        _check_class(model)
        if model.name in self._classes or model.name in {other.name for other in before}:
            raise PluginError(f"the model name {model.name!r} is taken already")
        columns = {column.name: column for other in before for column in other.columns}
        columns |= self._columns
        for column in model.columns:
            if column.name in OWN_COLUMNS:
                raise PluginError(f"the column name {column.name!r} is olearn's own: take another")
            known = columns.get(column.name, column)
            if known.contract != column.contract:
                raise PluginError(
                    f"the column {column.name!r} is declared as {known.contract} already,"
                    f" not {column.contract}: give it another name"
                )

    def made(self, options: Options) -> dict[str, Predictor[Any] | Policy[Any]]:
        """
        Make every model with its options.

        :raises ConfigError: naming the model and option that is wrong
        """
        return {name: _made(model, options.get(name, {})) for name, model in self._classes.items()}

    def models(self, policy: str, options: Options) -> Models:
        """
        Make the models with their options.

        :param policy: name of the policy that chooses
        :raises ConfigError: naming the model and option that is wrong
        """
        unknown = set(options) - set(self._classes)
        if unknown and not any(info.problem for info in self.infos):  # they may be a failed one's
            known = ", ".join(sorted(self._classes))
            raise ConfigError(f"[models.{min(unknown)}]: there is no such model, but {known}")
        made = self.made(options)
        policies = {name: model for name, model in made.items() if isinstance(model, Policy)}
        if policy not in policies:
            known = ", ".join(sorted(policies)) or "none: no plugin provides one"
            raise ConfigError(f"[decisions] policy: there is no policy {policy!r}, but {known}")
        predictors = [model for model in made.values() if isinstance(model, Predictor)]
        return Models(predictors, policies, policies[policy], tuple(self._columns.values()))


def _check_class(model: AnyModel) -> None:
    if not (isinstance(model, type) and issubclass(model, Predictor | Policy)):
        raise PluginError(f"{model!r} is neither a Predictor nor a Policy")
    if missing := ", ".join(sorted(model.__abstractmethods__)):
        raise PluginError(f"{model.__name__} lacks {missing}")
    if not getattr(model, "name", ""):
        raise PluginError(f"{model.__name__} has no name")
    if issubclass(model, Predictor) and model.count not in model.columns:
        raise PluginError(f"the count of {model.name!r} is not among its columns")


def _made(model: AnyModel, options: Mapping[str, Any]) -> Predictor[Any] | Policy[Any]:
    try:
        return model(model.Options.model_validate(options))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()
        )
        raise ConfigError(f"[models.{model.name}]: {problems}") from None
