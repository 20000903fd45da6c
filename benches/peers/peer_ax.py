"""Ax as a peer: `ax.api.client.Client` with its defaults, values told without a standard error."""

import logging
import random

import numpy
import torch
from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

from serve import serve


def parameter(p):
    if p["type"] == "cat":
        return ChoiceParameterConfig(name=p["name"], parameter_type="str", values=p["values"], is_ordered=False)
    return RangeParameterConfig(name=p["name"], parameter_type=p["type"], bounds=(p["lo"], p["hi"]))


class Ax:
    def __init__(self, spec, seed, _batch):
        # The client's own seed does not reach the optimization of the acquisition function.
        random.seed(seed)
        numpy.random.seed(seed)
        torch.manual_seed(seed)
        self.client = Client(random_seed=seed)
        self.client.configure_experiment(parameters=[parameter(p) for p in spec["params"]])
        constraints = [f"{c['name']} {c['op']} {c['bound']}" for c in spec["constraints"]]
        objective = ", ".join(f"-{o['name']}" for o in spec["objectives"])
        self.client.configure_optimization(objective=objective, outcome_constraints=constraints or None)

    def ask(self, n):
        return list(self.client.get_next_trials(max_trials=n).items())

    def tell(self, index, values):
        if None in values.values():
            self.client.mark_trial_failed(trial_index=index)
            return
        self.client.complete_trial(trial_index=index, raw_data=values)

    def attach(self, params, values):
        self.tell(self.client.attach_trial(parameters=params), values)

    def recommend(self):
        return dict(self.client.get_best_parameterization()[0])


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    serve(Ax)
