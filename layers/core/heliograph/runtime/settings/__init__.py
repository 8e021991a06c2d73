"""Settings models: `<function>.py` has the model of that function's environment, and nothing else.

The other modules have settings that several functions share, divided so that no function loads those of another. To
add a setting to a function: add a field to its model and a variable to template.yaml
(tests/contract/test_environments.py).
"""
