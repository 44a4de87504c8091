"""Small jobs for every part that a federation has, and for parts that share a message or a state."""

from hpcfl import registry
from tests.federated.test_rounds import job

ROUNDS = 4
KEYS = {
    "strategies": {"mime": {"momentum": 0.5}, "mimelite": {"momentum": 0.5}, "feddyn": {"alpha": 0.5}},
    "partitions": {"dirichlet": {"alpha": 5.0}, "noise": {"level": 0.5}},
    "optimizers": {
        "sgd": {"learning_rate": 0.5, "momentum": 0.9, "nesterov": True},
        "adamw": {"learning_rate": 0.01, "weight_decay": 0.1},
    },
    "aggregators": {"centered_clipping": {"radius": 0.05, "iterations": 2}, "norm_filter": {"factor": 1.0}},
}
TOGETHER = {  # parts that keep or send something, side by side
    "momentum of clients": {"strategy": "scaffold", "momentum": 0.9},
    "scaffold, top_k, fedadam": {"strategy": "scaffold", "compressor": "top_k", "server": "fedadam"},
    "ditto, signsgd": {"strategy": "ditto", "compressor": "signsgd", "client_test": 0.2},
    "fedrep, powersgd, median": {"strategy": "fedrep", "compressor": "powersgd", "aggregator": "median"},
    "mime, top_k": {"strategy": "mime", "compressor": "top_k", "weighting": "rows"},
    "mimelite, random_k, momentum": {"strategy": "mimelite", "compressor": "random_k", "momentum": 0.5},
    "ifca, qsgd, adam": {"strategy": "ifca", "compressor": "qsgd", "server": "adam"},
    "ifca, float16 with feedback": {"strategy": "ifca", "compressor": "float16", "error_feedback": True},
    "fedbn, centered_clipping": {"strategy": "fedbn", "aggregator": "centered_clipping"},
    "fednova, median, stragglers": {"strategy": "fednova", "aggregator": "median", "stragglers": {"fraction": 0.5}},
    "centered_clipping, alie, bfloat16 with feedback": {
        "aggregator": "centered_clipping", "attack": "alie", "compressor": "bfloat16", "error_feedback": True,
        "clients_per_round": 7,
    },
    "power_of_choice, scaffold": {"strategy": "scaffold", "sampler": {"name": "power_of_choice", "candidates": 5}},
    "poisson, feddyn": {"strategy": "feddyn", "sampler": "poisson"},
    "gather, top_k": {"exchange": "gather", "compressor": "top_k", "held_out_clients": 1, "client_validation": 0.2},
    "client by client": {"strategy": "scaffold", "compressor": "signsgd", "state_memory": 1},
    "deadline": {"strategy": "ditto", "deadline": {"over_selection": 1.5, "seconds": 9.0}, "dropout": 0.2},
    "hierarchy, ditto": {"strategy": "ditto", "hierarchy": {"groups": 3}, "stragglers": {"fraction": 0.5}},
    "hierarchy, gather": {"exchange": "gather", "hierarchy": {"groups": 2}},
    "hierarchy, top_k": {"compressor": "top_k", "hierarchy": {"groups": 2}},
    "buffer": {"clients_per_round": 2, "asynchronous": {"concurrency": 4}, "dropout": 0.2, "server": "fedadam"},
    "buffer, ditto, top_k": {
        "strategy": "ditto", "compressor": "top_k", "clients_per_round": 2, "asynchronous": {"concurrency": 3},
    },
    "buffer, median": {"aggregator": "median", "clients_per_round": 4, "asynchronous": {"concurrency": 3}},
}  # fmt: skip


def table(folder, momentum=0.0, **federated):
    """Return a job on the rows of `folder`, a network of 51 parameters, with `federated` keys."""
    code = federated.get("compressor", "none")
    biased = registry.load("compressors", code if isinstance(code, str) else code["name"]).biased
    keys = {"clients": 8, "clients_per_round": 5, "batch_size": 5, "error_feedback": biased, **federated}
    made = job(folder, ROUNDS, 0.05, **keys)
    made["data"] |= {"task": "classification", "standardize": True}
    made["model"] = {"name": "mlp", "hidden": [3], "activation": "tanh", "dtype": "float32"}
    made["optimizer"]["momentum"] = momentum
    made["evaluate"] = {"on": ["clients"]}
    made["checkpoint"]["every_rounds"] = 2
    return made


def cases(folder):
    """Return {name: job}."""

    def every(kind, key, **more):
        keys = KEYS.get(kind, {})
        return {
            f"{key} {name}": table(folder, **{key: {"name": name, **keys.get(name, {})}, **more})
            for name in registry.names(kind)
        }

    made = every("strategies", "strategy", local_epochs=2)
    made |= every("aggregators", "aggregator", clients_per_round=7)
    made |= every("compressors", "compressor") | every("attacks", "attack") | every("samplers", "sampler")
    made |= every("clocks", "clock", clients_per_round=3, asynchronous={"concurrency": 3})
    made |= every("partitions", "partition") | every("optimizers", "server")
    made |= {name: table(folder, **keys) for name, keys in TOGETHER.items()}
    made["strategy perfedavg"]["evaluate"]["finetune_steps"] = 1
    return made
