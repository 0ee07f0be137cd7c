"""
Empirical-Bayes pooling between task types and agents.

The model of an outcome y of agent k on task type t is

    y = mu + tau_t + a_k + g_tk + e,

with independent normal effects of task type, agent and their interaction. How
large each kind of effect is (a variance component) is estimated from the sums
themselves, so that agents who behave alike everywhere lend each other and
themselves more than agents who specialise; the interaction's by task type, for
there may be one on which the usually good agents fail. The estimates are those of a
mean-field EM with weak priors on the components; see Searle, Casella and
McCulloch, "Variance Components" (1992), chapters 8 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from olearn_core import FloatArray

LEAST_WEIGHT = 1e-6
ROUNDS = 8
AGENT_SHARE = 0.20
INTERACTION_SHARE = 0.07
TASK_SHARE = 0.20
NOISE_SHARE = 0.80
COMMON_INTERACTIONS = 15.0  # that the shared variance counts for, by outcomes of each agent …
FEWEST_INTERACTIONS, MOST_INTERACTIONS = 0.3, 6.0  # … within these bounds
COMMON_DOUBTS = 2.0  # likewise, in task types


@dataclass(frozen=True, slots=True)
class Moments:
    """
    Weighted sums of a quantity y, each of shape (tasks, agents).

    :param n: weight of the outcomes
    :param s1: sum of y
    :param s2: sum of y squared
    """

    n: FloatArray
    s1: FloatArray
    s2: FloatArray

    @classmethod
    def of(cls, n: FloatArray, s1: FloatArray, s2: FloatArray) -> Moments:
        """Return the sums without cells that are forgotten or rolled back to nothing."""
        known = n > LEAST_WEIGHT
        return cls(np.where(known, n, 0.0), np.where(known, s1, 0.0), np.where(known, s2, 0.0))

    def padded(self) -> Moments:
        """Return the sums with an empty task type and an empty agent at the end."""
        return Moments(*(np.pad(sums, (0, 1)) for sums in (self.n, self.s1, self.s2)))

    @property
    def mean(self) -> FloatArray:
        """The mean of each cell, 0 where it is empty."""
        return self.s1 / np.where(self.n > 0, self.n, 1.0)

    def squares(self, centre: FloatArray) -> FloatArray:
        """Return each cell's sum of (y - centre) squared."""
        squares: FloatArray = self.s2 - 2.0 * centre * self.s1 + self.n * centre**2
        return np.maximum(0.0, squares)


@dataclass(frozen=True, slots=True)
class Prior:
    """
    What is believed of a quantity before anything is known.

    :param mean: counts as one outcome
    :param variance: of single outcomes, counts as five
    """

    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Components:
    """
    Variances of the effects and of the noise.

    :param interaction: by task type, for on some the agents' usual order does not hold; (tasks, 1)
    :param noise: by task type, (tasks,)
    """

    agent: float
    interaction: FloatArray
    task: float
    noise: FloatArray


@dataclass(frozen=True, slots=True)
class Pooled:
    """
    Posterior means and variances of the effects.

    :param level: the general mean
    :param tasks: effects of the task types, shape (tasks,)
    :param agents: effects of the agents, shape (agents,)
    :param contrast: effect of agent and interaction together, shape (tasks, agents)
    :param contrast_variance: its variance
    :param others_mean: what all other cells say of a cell, shape (tasks, agents)
    :param others_variance: the variance of a cell around that
    """

    level: float
    tasks: FloatArray
    agents: FloatArray
    contrast: FloatArray
    contrast_variance: FloatArray
    others_mean: FloatArray
    others_variance: FloatArray
    components: Components

    @property
    def mean(self) -> FloatArray:
        """All effects together, shape (tasks, agents)."""
        mean: FloatArray = self.level + self.tasks[:, None] + self.contrast
        return mean

    def parts(self, mean: FloatArray) -> dict[str, FloatArray]:
        """
        Split means into what an agent does everywhere and what is so on the task type alone.

        Level and both parts add up to the mean; the second has the task type's
        difficulty, which all agents share, the interaction and the cell's own record.

        :param mean: shape (tasks, agents), the posterior mean or one near it
        """
        agent = np.broadcast_to(self.agents, mean.shape)
        return {"agent": agent, "task_type": mean - self.level - agent}


@dataclass(frozen=True, slots=True)
class _Effects:
    level: float
    tasks: FloatArray
    agents: FloatArray
    agent_variance: FloatArray
    precision: FloatArray

    def residual(self, moments: Moments) -> FloatArray:
        """Return cell means less level and task effect."""
        rest: FloatArray = moments.mean - self.level - self.tasks[:, None]
        return rest


def pool(moments: Moments, prior: Prior) -> Pooled:
    """Return the posterior of all effects, from weighted sums of at least one cell."""
    level = float((moments.s1.sum() + prior.mean) / (moments.n.sum() + 1.0))
    start = _start(moments, prior, level)
    parts = start
    effects = _effects(moments, parts, level, np.zeros(moments.n.shape[1]))
    for _ in range(ROUNDS - 1):
        parts = _components(moments, effects, parts, start, prior)
        effects = _effects(moments, parts, effects.level, effects.agents)
    return _posterior(moments, effects, parts)


def _start(moments: Moments, prior: Prior, level: float) -> Components:
    total = moments.n.sum()
    squares = moments.squares(np.asarray(level)).sum()
    variance = float((5.0 * prior.variance + squares) / (5.0 + total))
    return Components(
        agent=AGENT_SHARE * variance,
        interaction=np.full((moments.n.shape[0], 1), INTERACTION_SHARE * variance),
        task=TASK_SHARE * variance,
        noise=np.full(moments.n.shape[0], NOISE_SHARE * variance),
    )


def _effects(moments: Moments, parts: Components, level: float, agents: FloatArray) -> _Effects:
    n, mean = moments.n, moments.mean
    precision = n / (parts.noise[:, None] + n * parts.interaction)
    rest = mean - level - agents
    tasks = (precision * rest).sum(axis=1) / (precision.sum(axis=1) + 1.0 / parts.task)
    rest = mean - level - tasks[:, None]
    variance = 1.0 / (1.0 / parts.agent + precision.sum(axis=0))
    agents = variance * (precision * rest).sum(axis=0)
    total = precision.sum()
    if total > 0:
        level += 0.5 * float((precision * (rest - agents)).sum() / total)
    return _Effects(level, tasks, agents, variance, precision)


def _components(
    moments: Moments, effects: _Effects, parts: Components, start: Components, prior: Prior
) -> Components:
    """Return the variances that fit the effects, with the start as a weak prior."""
    own = effects.precision * parts.interaction
    gap = effects.residual(moments) - effects.agents
    interaction = own * gap
    spread = (1.0 - own) * parts.interaction + own**2 * effects.agent_variance
    known = np.maximum(0.0, 1.0 - spread / parts.interaction)
    agents_known = (1.0 - effects.agent_variance / parts.agent).sum()
    fitted = moments.mean - gap + interaction
    squares = moments.squares(fitted).sum(axis=1)
    freedom = float(agents_known + own.sum()), own.sum(axis=1)
    return Components(
        agent=float((4.0 * start.agent + (effects.agents**2).sum()) / (4.0 + agents_known)),
        interaction=_interactions(moments.n, interaction**2, known, start.interaction),
        task=start.task,
        noise=_noise(moments.n.sum(axis=1), squares, freedom, start.noise[0], prior),
    )


def _interactions(
    n: FloatArray, squares: FloatArray, known: FloatArray, start: FloatArray
) -> FloatArray:
    """
    Return the variance of each task type's interaction, shrunk towards that of all.

    The more outcomes a task type has, the more it tells by itself.
    """
    common = (8.0 * start + squares.sum()) / (8.0 + known.sum())
    each = n.mean(axis=1, keepdims=True)
    prior = np.clip(
        COMMON_INTERACTIONS / np.maximum(each, 1.0), FEWEST_INTERACTIONS, MOST_INTERACTIONS
    )
    own: FloatArray = squares.sum(axis=1, keepdims=True)
    shrunk: FloatArray = (prior * common + own) / (prior + known.sum(axis=1, keepdims=True))
    return shrunk


def _noise(
    n: FloatArray,
    squares: FloatArray,
    spent: tuple[float, FloatArray],
    start: float,
    prior: Prior,
) -> FloatArray:
    """
    Return the noise of each task type, shrunk towards that of all.

    One square of an outcome not yet seen is added, lest outcomes that were all
    alike so far are taken for a law of nature.

    :param spent: degrees of freedom the effects took, of all and by task type
    """
    total = n.sum()
    freedom = max(total - spent[0], 0.3 * total)
    common = (5.0 * start + squares.sum()) / (5.0 + freedom)
    freedoms = np.maximum(n - spent[1], 0.3 * n)
    noise: FloatArray = (10.0 * common + prior.variance + squares) / (10.0 + freedoms)
    return noise


def _posterior(moments: Moments, effects: _Effects, parts: Components) -> Pooled:
    own = effects.precision * parts.interaction
    rest = effects.residual(moments)
    interaction = own * (rest - effects.agents)
    noise = parts.noise[:, None]
    left = noise / (noise + moments.n * parts.interaction)
    variance = left**2 * effects.agent_variance + left * parts.interaction
    others_mean, others_variance = _others(moments, effects, parts)
    return Pooled(
        level=effects.level,
        tasks=effects.tasks,
        agents=effects.agents,
        contrast=effects.agents + interaction,
        contrast_variance=variance,
        others_mean=others_mean,
        others_variance=others_variance,
        components=parts,
    )


def _others(
    moments: Moments, effects: _Effects, parts: Components
) -> tuple[FloatArray, FloatArray]:
    """
    Return mean and variance of each cell's expectation as told by all other cells.

    The cell's own part is divided out of the normal posteriors of its agent and
    its task type (a cavity distribution: Minka, "Expectation Propagation", 2001).
    Agents may have been tried on the same tasks, whose errors do not average out,
    so no task effect is taken to be known better than from its fullest cell.
    """
    rest = effects.residual(moments)
    own = effects.precision
    agent_precision = np.maximum(1.0 / effects.agent_variance - own, 1.0 / parts.agent)
    agent = (effects.agents / effects.agent_variance - own * rest) / agent_precision
    task_sum = (own.sum(axis=1) + 1.0 / parts.task)[:, None]
    task_precision = np.maximum(task_sum - own, 1.0 / parts.task)
    gap = moments.mean - effects.level - effects.agents
    task = (task_sum * effects.tasks[:, None] - own * gap) / task_precision
    fullest = (moments.n.max(axis=1) / parts.noise + 1.0 / parts.task)[:, None]
    variance = parts.interaction + 1.0 / agent_precision
    variance = variance + 1.0 / np.minimum(task_precision, fullest)
    told = effects.level + task + agent
    return told, variance * _doubt(moments, told, variance, parts.noise)


def _doubt(
    moments: Moments, told: FloatArray, variance: FloatArray, noise: FloatArray
) -> FloatArray:
    """
    Return by how much cells lie farther from what others tell than the variance says.

    By task type, (tasks, 1), shrunk towards that of all; by moments, with the cells
    weighted by what they tell (DerSimonian and Laird, "Meta-analysis in clinical
    trials", 1986); never below 1.
    """
    known = moments.n > 0
    own = noise[:, None] / np.where(known, moments.n, 1.0)
    weight = known / (variance + own) ** 2
    beyond = (weight * ((moments.mean - told) ** 2 - own)).sum(axis=1, keepdims=True)
    expected = (weight * variance).sum(axis=1, keepdims=True)
    if not expected.any():
        return np.ones_like(expected)
    common = max(1.0, beyond.sum() / expected.sum())
    prior = COMMON_DOUBTS * expected.mean()
    doubt: FloatArray = (beyond + prior * common) / (expected + prior)
    return np.maximum(1.0, doubt)
