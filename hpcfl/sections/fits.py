"""Which parts of a federation go together."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpcfl import registry, schema


def together(fed: Any) -> None:
    """Raise ValueError if parts of a federation do not go together (the one rule of what fits)."""
    rule, name = fed.aggregator, schema.name_of(fed.aggregator)
    _timing(fed)
    code(fed)
    candidates = getattr(fed.sampler, "candidates", fed.clients_per_round)
    if not fed.fraction and candidates < fed.clients_per_round:
        raise ValueError(
            f"sampler.candidates = {candidates}: clients_per_round = {fed.clients_per_round} are chosen among them; "
            "set it higher"
        )
    if not rule.stack:
        return
    for sent in fed.strategy.sends:
        if not sent.robust:
            raise ValueError(
                f"aggregator = '{name}': strategy '{schema.name_of(fed.strategy)}' also sends '{sent.name}', "
                "which only a mean can combine; use 'mean'"
            )
    if not fed.fraction:  # otherwise the cohort is known when the clients are
        robust(fed, fed.clients)


def robust(fed: Any, clients: int) -> None:
    """Raise ValueError if a cohort of so many clients is too small for the aggregator to hold."""
    rule = fed.aggregator
    cohort = round(fed.fraction * clients) if fed.fraction else fed.clients_per_round
    if rule.stack and cohort < rule.needs():
        what = f"fraction = {fed.fraction} of {clients} clients" if fed.fraction else "clients_per_round"
        more = " or lower aggregator.byzantine" if getattr(rule, "byzantine", 0) else " or use aggregator 'mean'"
        raise ValueError(
            f"aggregator = '{schema.name_of(rule)}': {rule.needs()} or more clients a round are needed, "
            f"{what} is {cohort}; raise it{more}"
        )


def code(section: Any) -> None:
    """Raise ValueError if a section's compressor does not go with its error feedback."""
    rule, name = section.compressor, schema.name_of(section.compressor)
    if rule.biased and not section.error_feedback:
        fair = [n for n in registry.names("compressors") if not registry.load("compressors", n).biased]
        raise ValueError(
            f"compressor = '{name}': what it leaves out would never arrive; set error_feedback = true, "
            f"or use one of {', '.join(fair)}"
        )
    if section.error_feedback and not rule.contracts:
        raise ValueError(
            f"error_feedback = true: compressor '{name}' is right in the mean already, and what it loses at once "
            "is more than a message can make up for; set it to false"
        )


def _timing(fed: Any) -> None:
    """Raise ValueError for a schedule of the rounds that does not go with the rest."""
    free, groups = fed.asynchronous.concurrency > 0, fed.hierarchy.groups > 0
    if free and groups:
        raise ValueError("asynchronous.concurrency and hierarchy.groups: a server does one or the other; set one to 0")
    if free or groups:
        _many_models(fed, "asynchronous.concurrency" if free else "hierarchy.groups")
    if groups and fed.aggregator.stack:
        raise ValueError(f"hierarchy.groups: aggregator '{schema.name_of(fed.aggregator)}' is not a mean; use 'mean'")
    if free and schema.name_of(fed.sampler) not in ("uniform", "weighted"):
        raise ValueError(
            f"asynchronous.concurrency: sampler '{schema.name_of(fed.sampler)}' draws whole rounds, "
            "clients are drawn one by one; use 'uniform' or 'weighted'"
        )
    waits = fed.stragglers.fraction > 0 or fed.deadline.over_selection > 1 or fed.deadline.seconds > 0
    if free and (waits or fed.fraction):
        raise ValueError(
            "asynchronous.concurrency: there is no round with stragglers, a deadline or a fraction of the clients; "
            "leave them out, and set clients_per_round to the updates that the server waits for"
        )


def _many_models(fed: Any, key: str) -> None:
    """Raise ValueError unless clients of one average may start from different models."""
    strategy, name = fed.strategy, schema.name_of(fed.strategy)
    held = list(strategy.init(np.zeros(1)))
    why = f"keeps '{held[0]}' on the server" if held else "measures at one model" if strategy.probe else ""
    if why:
        raise ValueError(
            f"{key}: strategy '{name}' {why}, but clients start from different models; "
            "use one such as 'fedavg', 'fedprox' or 'fednova'"
        )


def measured(fed: Any, evaluate: Any, tested: bool) -> None:
    """Raise ValueError for an evaluation of a federation on rows that there are not."""
    needs = {"test": (tested, "data.test"), "validation": (fed.client_validation > 0, "federated.client_validation")}
    needs["held_out"] = (fed.held_out_clients > 0, "federated.held_out_clients")
    for name in evaluate.on:
        there, source = needs.get(name, (True, ""))
        if not there:
            raise ValueError(f"evaluate.on = ['{name}']: there are no such rows; set {source} or leave it out")
    if fed.held_out_clients and evaluate.finetune_steps and not fed.client_test:
        raise ValueError(
            "evaluate.finetune_steps: clients that are held out would tune models on the rows that measure them; "
            "set federated.client_test"
        )
