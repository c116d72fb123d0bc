"""The stateful kernel and the notebook, as tools a model can call."""
