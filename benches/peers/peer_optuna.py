"""Optuna as a peer: a study in memory with the sampler that the argument names, gp or tpe, and its defaults."""

import sys

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import GPSampler, TPESampler
from optuna.trial import TrialState

from serve import serve


def distribution(p):
    if p["type"] == "cat":
        return CategoricalDistribution(p["values"])
    return {"float": FloatDistribution, "int": IntDistribution}[p["type"]](p["lo"], p["hi"])


class Optuna:
    def __init__(self, kind, spec, seed):
        self.distributions = {p["name"]: distribution(p) for p in spec["params"]}
        self.objectives = [o["name"] for o in spec["objectives"]]
        self.constraints = [c["name"] for c in spec["constraints"]]
        options = {"seed": seed}
        if self.constraints:
            options["constraints_func"] = lambda trial: trial.user_attrs["constraints"]
        if kind == "gp":
            sampler = GPSampler(deterministic_objective=not spec["noisy"], **options)
        else:
            sampler = TPESampler(**options)
        self.study = optuna.create_study(directions=["minimize"] * len(self.objectives), sampler=sampler)

    def ask(self, n):
        trials = [self.study.ask(self.distributions) for _ in range(n)]
        return [(trial, trial.params) for trial in trials]

    def tell(self, trial, values):
        if None in values.values():
            self.study.tell(trial, state=TrialState.FAIL)
            return
        if self.constraints:
            trial.set_user_attr("constraints", [values[name] for name in self.constraints])
        self.study.tell(trial, [values[name] for name in self.objectives])

    def attach(self, params, values):
        values = [values[name] for name in self.objectives]
        trial = optuna.trial.create_trial(params=params, distributions=self.distributions, values=values)
        self.study.add_trial(trial)

    def recommend(self):
        return None


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if sys.argv[1] == "gp":
        import torch

        torch.set_num_threads(1)
    serve(lambda spec, seed, _batch: Optuna(sys.argv[1], spec, seed))
