"""The adaptive judge: a version in use, when to learn again, and the way back.

Whoever owns it runs `refit` where it blocks nothing, and hands the result to `take`:

    if judge.due(len(decided)):
        candidate = refit(decided, judge.model, judge.settings)   # in a worker
        judge.take(candidate, len(decided))
"""

from __future__ import annotations

from datetime import UTC, datetime

from connectome.errors import InputError, ModelError
from inference.adaptive.model import AdaptiveModel, Floats, Rows, Scaling
from inference.adaptive.refit import Candidate, RefitSettings
from inference.adaptive.versions import Versions

__all__ = ["AdaptiveJudge"]


class AdaptiveJudge:
    """Corrects the answers of models by what a person decided on this dataset.

    Parameters
    ----------
    base : tuple of str
        Ids of the models that are corrected.
    scaling : Scaling
        Of the candidates of the dataset, for as long as there is no version.
    versions : Versions, optional
        Where versions are kept; in memory only if None.

    Raises
    ------
    ModelError
        If the version in use cannot be read, or corrects other models or other features.
    """

    def __init__(
        self,
        base: tuple[str, ...],
        scaling: Scaling,
        *,
        settings: RefitSettings | None = None,
        versions: Versions | None = None,
    ) -> None:
        self.settings = settings or RefitSettings()
        self._base = base
        self._versions = versions
        self._models = {0: AdaptiveModel.untouched(scaling)}
        self._learned_at = 0
        self._number = 0
        if versions is not None:
            self.roll_back(versions.current())

    @property
    def version(self) -> int:
        """Number of the version in use; 0 is the base."""
        return self._number

    @property
    def model(self) -> AdaptiveModel:
        """The correction in use."""
        return self._models[self._number]

    def probabilities(self, rows: Rows) -> Floats:
        """Return the chance of yes of each row, shape (n,)."""
        return self.model.probabilities(rows)

    def due(self, decisions: int) -> bool:
        """Tell whether enough was decided since the last refit, given all decisions so far."""
        return decisions - self._learned_at >= self.settings.every

    def take(self, candidate: Candidate, decisions: int) -> bool:
        """Note that a refit was done, and use the candidate if it was promoted.

        Parameters
        ----------
        decisions : int
            How many decisions there were when the refit began.

        Returns
        -------
        bool
            Whether the judge answers otherwise from now on.
        """
        self._learned_at = max(self._learned_at, decisions)
        if not candidate.promoted:
            return False
        number = max(self._models) + 1
        if self._versions is not None:
            number = self._versions.add(candidate, self._base, datetime.now(UTC)).number
        self._models[number] = candidate.model
        self._number = number
        return True

    def roll_back(self, number: int) -> None:
        """Use an earlier (or again a later) version; 0 is the base.

        Raises
        ------
        InputError
            If there is no such version.
        ModelError
            If it corrects other models or other features.
        """
        if number not in self._models:
            self._models[number] = self._stored(number)
        if self._versions is not None and number != self._versions.current():
            self._versions.use(number)
        self._number = number

    def _stored(self, number: int) -> AdaptiveModel:
        if self._versions is None:
            raise InputError(
                f"The adaptive judge has no version {number}.",
                f"There are: {', '.join(map(str, sorted(self._models)))}.",
            )
        version = self._versions.read(number)
        if version.base != self._base or version.features != self._models[0].scaling.names:
            raise ModelError(
                f"Version {number} of the adaptive judge corrects other models "
                f"({', '.join(version.base)}).",
                "Open it with those models, or keep the versions for these in another folder.",
            )
        return version.model
