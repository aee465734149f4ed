"""All that a person does on Azure, in the order of the way: connect, train, serve."""

from tests.azure_faults import connecting, serving, training

ACTIONS = (*connecting.ACTIONS, *training.ACTIONS, *serving.ACTIONS)
