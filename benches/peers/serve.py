"""The peer's side of `docs/stdio.md`, for optimizers that are Python packages.

A peer is a class with `ask(n)`, which gives `(token, parameters)` pairs, `tell(token, values)`, whose values are None
where a trial failed, `attach(parameters, values)` and `recommend()`, which may give None; it is made from a spec, a seed
and how many are asked at a time.
"""

import json
import os
import random
import sys
import warnings

WARM_UP = {
    "name": "warm_up",
    "params": [{"name": "x", "type": "float", "lo": 0.0, "hi": 1.0}],
    "objectives": [{"name": "y", "minimize": True}],
    "constraints": [],
    "noisy": False,
    "reference_point": None,
}


def warm_up(make):
    """Has a first model made, for which packages import and compile what they did not need before."""
    peer = make(WARM_UP, 0, 1)
    for i in range(12):
        peer.attach({"x": i / 11}, {"y": (i / 11 - 0.4) ** 2})
    for _ in range(2):
        ((token, params),) = peer.ask(1)
        peer.tell(token, {"y": (params["x"] - 0.4) ** 2})


def serve(make):
    """Answers requests until the input ends; `make(spec, seed, batch)` makes a peer."""
    warnings.filterwarnings("ignore")
    # Packages that print must not print between the replies.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    peer, tokens = None, []
    for line in sys.stdin:
        request = json.loads(line)
        match request["cmd"]:
            case "init":
                if request.get("warm_up"):
                    warm_up(make)
                random.seed(request["seed"])
                peer, tokens = make(request["spec"], request["seed"], request["batch"]), []
                reply = {"ok": True}
            case "ask":
                asked = peer.ask(request["n"])
                trials = [{"id": len(tokens) + i, "params": params} for i, (_, params) in enumerate(asked)]
                tokens += [token for token, _ in asked]
                reply = {"trials": trials}
            case "tell":
                peer.tell(tokens[request["id"]], request["values"])
                reply = {"ok": True}
            case "attach":
                peer.attach(request["params"], request["values"])
                reply = {"ok": True}
            case "recommend":
                reply = {"params": peer.recommend()}
            case "bye":
                break
            case other:
                reply = {"error": f"no request is called `{other}`"}
        replies.write(json.dumps(reply) + "\n")
